"""MVTec LOCO AD: logical and structural anomalies, several masks an image, validation/good."""

from pathlib import Path

from gaussft_jax.data.category import GOOD, Category, Saturation, TestImage
from gaussft_jax.data.folder import labelled, list_images, masked, read_test
from gaussft_jax.data.layouts.layout import Layout, good_parts
from gaussft_jax.files import read_json

__all__ = ["MVTEC_LOCO", "read_saturations"]

_KINDS = ("logical_anomalies", "structural_anomalies")


def read_saturations(folder: str | Path) -> dict[int, Saturation]:
    """The saturation threshold of each pixel value of the masks, by `defects_config.json`.

    Args:
        folder: of a category of MVTec LOCO AD.

    Raises:
        FileNotFoundError: it has no such file.
        ValueError: the file holds something else.
    """
    path = Path(folder, "defects_config.json")
    try:
        found = [
            Saturation(*(entry[field] for field in Saturation._fields)) for entry in read_json(path)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is no list of objects with {', '.join(Saturation._fields)}: "
            "take the one of the data set"
        ) from error
    return {saturation.pixel_value: saturation for saturation in found}


def _holds(folder: Path) -> bool:
    return (folder / "train" / GOOD).is_dir() and any(
        (folder / "test" / kind).is_dir() for kind in _KINDS
    )


def _read(folder: Path) -> Category:
    category = good_parts(folder)._replace(test=read_test(folder / "test", read=_labelled))
    if (folder / "defects_config.json").is_file():
        category = category._replace(saturations=read_saturations(folder))
    return category


def _labelled(folder: Path, label: str, truth: Path) -> tuple[TestImage, ...]:
    """Masks are all images in `truth/<stem>`, one for each place that could be changed."""
    if label == GOOD or not truth.is_dir():
        return labelled(folder, label, truth)

    def masks(path: Path) -> tuple[Path, ...] | None:
        inside = truth / path.stem
        return list_images(inside) if inside.is_dir() else None

    remedy = "add {stem}/000.png there, or remove the folder to go without masks"
    return masked(list_images(folder), label, masks, truth, remedy)


MVTEC_LOCO = Layout("mvtec_loco", f"train/good and test/{_KINDS[0]}", _holds, _read, good_parts)
