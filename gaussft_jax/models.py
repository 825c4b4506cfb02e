"""A fitted detector: from good images to a folder, and from that folder to scores and maps."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Float, UInt8
from safetensors.numpy import load_file, save_file

from gaussft_jax.backbones import Backbone, Variables, create, load_backbone
from gaussft_jax.files import replacing_folder, sha256_of, write_json
from gaussft_jax.gaussian import Aggregation, Gaussian, Kind, LowRankGaussian
from gaussft_jax.objectives import gaussian
from gaussft_jax.scoring import Scorer

__all__ = ["Detector"]

_SCHEMA = 1
_BATCH = 16


class Detector(NamedTuple):
    """A network and the Gaussians of its features on good images.

    Attributes:
        backbone: the network.
        variables: its weights.
        gaussians: one per level.
        image_size: side of the square that every image is resized to, pixels.
        aggregation: `max` or `mean` over the locations of a level, for the image score.
    """

    backbone: Backbone
    variables: Variables
    gaussians: tuple[Gaussian, ...]
    image_size: int
    aggregation: Aggregation = "max"

    @classmethod
    def fit(
        cls,
        images: UInt8[np.ndarray, "n s s 3"],
        backbone: str = "efficientnet-lite0",
        kind: Kind = "tied",
        aggregation: Aggregation = "max",
        weights: str | Path | None = None,
    ) -> "Detector":
        """The detector of what differs from `images`.

        Args:
            images: good images, RGB, uint8 [n s s 3], as from `data.read_images`.
            backbone: name of the network.
            kind: `tied`, `global` or `local` Gaussians.
            aggregation: `max` or `mean`.
            weights: as in `load_backbone`.

        Raises:
            ValueError: fewer than two images, or images that are all the same.
        """
        network, variables = load_backbone(backbone, weights)
        scorer = Scorer(network, gaussian(kind), aggregation, _BATCH)
        gaussians = scorer.fit(variables, images)
        return cls(network, variables, gaussians, images.shape[1], aggregation)

    def predict(
        self, images: UInt8[np.ndarray, "n s s 3"]
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n s s"]]:
        """Image scores [n] and anomaly maps [n s s], float32, Mahalanobis distance.

        Args:
            images: RGB, uint8 [n s s 3], resized to `image_size`.
        """
        scorer = Scorer(self.backbone, gaussian(), self.aggregation, min(_BATCH, len(images)))
        return scorer.score(self.variables, self.gaussians, images)

    def save(self, folder: str | Path) -> None:
        """Write the detector into `folder`, in place of an earlier one; whole or not at all.

        It holds detector.json and arrays.safetensors: named arrays without code, readable by any
        framework and on any platform.
        """
        arrays = {
            f"variables/{name}": array
            for name, array in flatten_dict(self.variables, sep="/").items()
        }
        for level, gaussian_ in enumerate(self.gaussians):
            arrays |= {
                f"gaussians/{level}/{name}": array for name, array in gaussian_._asdict().items()
            }
        description = {
            "schema": _SCHEMA,
            "backbone": self.backbone.name,
            "image_size": self.image_size,
            "aggregation": self.aggregation,
            "levels": len(self.gaussians),
            "version": version("gaussft_jax"),
        }
        with replacing_folder(folder) as beside:
            arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
            save_file(arrays, beside / "arrays.safetensors")
            description["sha256"] = sha256_of(beside / "arrays.safetensors")
            write_json(beside / "detector.json", description)

    @classmethod
    def load(cls, folder: str | Path) -> "Detector":
        """The detector that `save` wrote into `folder`.

        Raises:
            FileNotFoundError: there is none.
            ValueError: a file was changed, or a later version of this package wrote it.
        """
        folder = Path(folder)
        path = folder / "detector.json"
        if not path.is_file():
            raise FileNotFoundError(f"{folder} holds no detector; make one with `gaussft fit`")
        description = json.loads(path.read_text())
        if description["schema"] != _SCHEMA:
            raise ValueError(
                f"{folder} was written by gaussft_jax {description['version']} in schema "
                f"{description['schema']}, this version reads {_SCHEMA}: update gaussft_jax"
            )
        arrays_path = folder / "arrays.safetensors"
        if sha256_of(arrays_path) != description["sha256"]:
            raise ValueError(f"{arrays_path} was changed since it was written; fit it again")
        tree = unflatten_dict(load_file(arrays_path), sep="/")
        gaussians = tuple(
            (LowRankGaussian if "basis" in fields else Gaussian)(**fields)
            for _, fields in sorted(tree["gaussians"].items(), key=lambda item: int(item[0]))
        )
        return cls(
            create(description["backbone"]),
            tree["variables"],
            jax.tree.map(jax.numpy.asarray, gaussians),
            description["image_size"],
            description["aggregation"],
        )
