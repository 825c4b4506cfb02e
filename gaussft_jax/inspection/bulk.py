"""Images by the million, judged on all devices of a cluster by Ray Data; needs the extra `ray`."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
from pyarrow import parquet
from ray.data import Dataset
from ray.data.checkpoint import CheckpointConfig

from gaussft_jax.detector import Detector
from gaussft_jax.files import check_folder, read_json, replacing, sha256_of, write_json
from gaussft_jax.inspection.inspector import Inspected, Inspector

__all__ = ["SCHEMA", "Judge", "judge_all"]

SCHEMA = pa.schema(
    {
        "path": pa.string(),
        "score": pa.float64(),
        "p_value": pa.float64(),
        "decision": pa.string(),
        "regions": pa.list_(
            pa.struct({"box": pa.list_(pa.int64()), "area": pa.int64(), "peak": pa.float64()})
        ),
        "note": pa.string(),
        "error": pa.string(),
    }
)
"""The columns of a judged image: `Verdict.said`, or the error that came of it."""

_MOST = 1024  # images that are judged at once by an actor, and again if it dies
_ASKED = "asked.json"  # of which detector the predictions in a folder are


class Judge:
    """An actor that holds the detector and judges the images of a table."""

    def __init__(self, model: str, alpha: float | None):
        self._inspector = Inspector.load(Path(model), alpha)

    def __call__(self, images: pa.Table) -> pa.Table:
        """A row of `SCHEMA` for each path, in order."""
        paths = map(Path, images["path"].to_pylist())
        return pa.Table.from_pylist(list(self._inspector.inspect(paths, _row)), schema=SCHEMA)


def judge_all(
    model: Path,
    paths: Iterable[Path],
    out: Path,
    alpha: float | None = None,
    actors: int | None = None,
) -> Dataset:
    """Judge images by a Ray cluster, each once however often it is called.

    Each image is a row of a Parquet file in `out/predictions`; one that cannot be read has an
    `error` there. Ray notes in `out/progress` which images were written: called again, after a
    crash say, those are not judged again, and what was written by half is removed first. What an
    actor was at when it died is judged again, three times at most.

    Args:
        model: folder of the detector; it, the images and `out` lie where every machine sees them.
        paths: image files.
        out: folder to write.
        alpha: as for `Inspector.load`.
        actors: how many judge; None for one on each GPU of the cluster, or on each machine where
            there is none: on a CPU a detector takes all cores.

    Returns:
        All predictions of `out`, with those of earlier calls.

    Raises:
        ValueError: the rate is too small for the detector, or `out` holds predictions of another
            detector or rate, or something else.
        FileNotFoundError: there is no detector.
    """
    inspector = Inspector.load(model, alpha)  # here already, for the error to be a line
    model, out = model.absolute(), out.absolute()
    predictions = out / "predictions"
    _claim(out, {"detector": sha256_of(model / Detector.MARKER), "alpha": inspector.alpha})
    gpus = int(ray.cluster_resources().get("GPU", 0))
    actors = actors or gpus or sum(node["Alive"] for node in ray.nodes())

    # Names that are no Unicode cannot be written: they become paths that cannot be read.
    names = {os.fsencode(path.absolute()).decode(errors="backslashreplace") for path in paths}
    with replacing(out / "images.parquet") as listed:
        parquet.write_table(pa.table({"path": pa.array(sorted(names), pa.string())}), listed)
    # An actor gets several parts, so that a slow one does not keep the others waiting.
    count = max(1, min(_MOST, len(names) // (4 * actors)))
    judged = (
        ray.data.read_parquet(str(out / "images.parquet"))
        .repartition(target_num_rows_per_block=count)
        .map_batches(
            Judge,
            fn_constructor_args=(str(model), inspector.alpha),
            batch_size=count,
            batch_format="pyarrow",
            concurrency=actors,
            num_cpus=0,  # of Ray's slots: they are for what feeds the actors
            num_gpus=1 if gpus else 0,
            max_task_retries=3,
        )
    )
    judged.context.checkpoint_config = CheckpointConfig(
        "path", str(out / "progress"), delete_checkpoint_on_success=False
    )
    judged.write_parquet(str(predictions))
    return ray.data.read_parquet(str(predictions))


def _claim(out: Path, asked: dict[str, Any]) -> None:
    """Refuse a folder that holds other predictions, or something else."""
    check_folder(out)
    told = out / _ASKED
    if told.is_file():
        if read_json(told) != asked:
            raise ValueError(
                f"{out} holds predictions of another detector or false-alarm rate: give another "
                "folder"
            )
    elif out.is_dir() and any(out.iterdir()):
        raise ValueError(f"{out} holds something else: give an empty or a new folder")
    else:
        write_json(told, asked)


def _row(inspected: Inspected) -> dict[str, Any]:
    said = inspected.verdict.said if inspected.verdict else {"error": inspected.error}
    return {"path": str(inspected.path), **said}
