"""A detector's folder: a description in JSON, and arrays without code."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flax.serialization import to_state_dict
from flax.traverse_util import flatten_dict, unflatten_dict

from gaussft_jax.arrays import load_arrays, save_arrays
from gaussft_jax.files import read_json, replacing_folder, write_json

__all__ = ["DESCRIPTION", "read_detector", "write_detector"]

DESCRIPTION = "detector.json"
_ARRAYS = "arrays.safetensors"
_SCHEMA = 3


def write_detector(folder: str | Path, description: Mapping[str, Any], tree: Any) -> None:
    """Write description and arrays in place of an earlier detector; whole or not at all.

    Args:
        folder: to make, or an earlier detector's.
        description: what is not an array, ready for JSON.
        tree: nested dictionaries, tuples and named tuples of arrays.
    """
    versions = {"version": version("gaussft_jax"), "jax": version("jax")}
    with replacing_folder(folder, DESCRIPTION) as beside:
        digest = save_arrays(beside / _ARRAYS, flatten_dict(to_state_dict(tree), sep="/"))
        described = {"schema": _SCHEMA, **description, **versions, "sha256": digest}
        write_json(beside / DESCRIPTION, described)


def read_detector(folder: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The description and the arrays, in nested dictionaries, that `write_detector` wrote.

    Raises:
        FileNotFoundError: there is no detector, or half of one.
        ValueError: a file was changed, or a later version of this package wrote it.
    """
    folder = Path(folder)
    path = folder / DESCRIPTION
    if not path.is_file():
        inside = [*folder.glob(f"*/{DESCRIPTION}"), *folder.glob(f"*/*/{DESCRIPTION}")]
        remedy = f"{min(inside).parent} does" if inside else "make one with `gaussft fit`"
        raise FileNotFoundError(f"{folder} holds no detector; {remedy}")
    try:
        description = read_json(path)
        schema = description["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: fit the detector again") from error
    if not (folder / _ARRAYS).is_file():
        raise FileNotFoundError(f"{folder / _ARRAYS} is missing: fit the detector again")
    if schema not in (2, _SCHEMA):
        remedy = "update gaussft_jax" if schema > _SCHEMA else "fit it again"
        raise ValueError(
            f"{folder} was written by gaussft_jax {description['version']} in schema {schema}, "
            f"this version reads 2 and {_SCHEMA}: {remedy}"
        )
    tree = unflatten_dict(load_arrays(folder / _ARRAYS, description["sha256"]), sep="/")
    return (_from_schema_2(description, tree) if schema == 2 else description), tree


def _from_schema_2(description: dict[str, Any], tree: dict[str, Any]) -> dict[str, Any]:
    """A detector of before there were other methods than Gaussians."""
    if "weights" in tree:
        tree["level_weights"] = tree.pop("weights")
    options = {name: description.pop(name) for name in ("gaussian", "aggregation")}
    tuned = description.pop("tuned", False)  # absent in the first of them
    return {"method": "gaussian", "options": options, "dtype": "float32", "tuned": tuned,
            **description}  # fmt: skip
