"""VisA as it is published: Data/Images and Data/Masks, divided by ../split_csv/1cls.csv."""

import csv
from pathlib import Path

from gaussft_jax.data.category import GOOD, Category, TestImage
from gaussft_jax.data.folder import labelled, list_images, masked
from gaussft_jax.data.layouts.layout import Layout, every_fifth

__all__ = ["VISA"]

_IMAGES = Path("Data", "Images")
_LABEL = "anomaly"  # of the split file
_FIELDS = {"object", "split", "label", "image", "mask"}


def _holds(folder: Path) -> bool:
    return (folder / _IMAGES / "Normal").is_dir()


def _read(folder: Path) -> Category:
    """Without a split file every fifth normal image is tested, and every anomaly."""
    split = folder.parent / "split_csv" / "1cls.csv"
    if split.is_file():
        return _divided(folder, split)
    normal = folder / _IMAGES / "Normal"
    train, tested = every_fifth(list_images(normal), str(normal))
    good = tuple(TestImage(path, GOOD, None) for path in tested)
    truth = folder / "Data" / "Masks" / "Anomaly"
    anomalies = labelled(folder / _IMAGES / "Anomaly", _LABEL, truth)
    note = f"{split} is missing: every fifth normal image is tested, {len(good)} in all"
    return Category(folder.name, train, anomalies + good, notes=(note,))


def _divided(folder: Path, split: Path) -> Category:
    """The category as the split file divides it."""
    with split.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if not set(reader.fieldnames or ()) >= _FIELDS:
            raise ValueError(f"{split} needs the columns {', '.join(sorted(_FIELDS))}")
        rows = [row for row in reader if row["object"] == folder.name]
    if not rows:
        raise ValueError(f"{split} has no row of object {folder.name!r}: add some, or remove it")
    root = folder.parent
    given = [root / row[kind] for row in rows for kind in ("image", "mask") if row[kind]]
    if missing := [path for path in given if not path.is_file()]:
        raise ValueError(f"{split} lists {len(missing)} missing files, first {missing[0]}")

    def listed(part: str, anomalous: bool) -> list[Path]:
        of_part = [row for row in rows if row["split"] == part]
        return sorted(root / x["image"] for x in of_part if (x["label"] == _LABEL) == anomalous)

    masks = {root / row["image"]: root / row["mask"] for row in rows if row["mask"]}
    remedy = "name the mask of {stem} in its row"
    anomalies = masked(listed("test", True), _LABEL, masks.get, split, remedy)
    train, tested = listed("train", False), listed("test", False)
    if not train:
        raise ValueError(f"{split} lists no normal image of {folder.name} to train on")
    parts = [part for part in ("Normal", "Anomaly") if (folder / _IMAGES / part).is_dir()]
    there = sum(len(list_images(folder / _IMAGES / part)) for part in parts)
    unused = there - len(train) - len(tested) - len(anomalies)
    note = f"{folder / _IMAGES}: {unused} of {there} images are not used, by {split}"
    return Category(
        folder.name,
        tuple(train),
        anomalies + tuple(TestImage(path, GOOD, None) for path in tested),
        notes=(note,) if unused > 0 else (),
    )


VISA = Layout("visa", f"{_IMAGES.as_posix()}/{{Normal,Anomaly}}", _holds, _read)
