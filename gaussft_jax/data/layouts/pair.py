"""Folders of good and of bad parts by any usual names, side by side or in train/ and test/."""

from pathlib import Path

from gaussft_jax.data.category import GOOD, Category, TestImage
from gaussft_jax.data.folder import SUFFIXES, folders, labelled, list_images, read_test
from gaussft_jax.data.layouts.btad import BTAD
from gaussft_jax.data.layouts.layout import Layout, every_fifth, not_read

__all__ = ["PAIR"]

_GOODS = (
    "good", "ok", "normal", "nominal", "pass", "passed", "healthy", "defect_free", "no_defect",
    "non_defective",
)  # fmt: skip
_BADS = (
    "bad", "ko", "ng", "nok", "not_ok", "defect", "defects", "defective", "anomaly", "anomalies",
    "anomalous", "abnormal", "fail", "failed", "fault", "faulty", "damaged",
)  # fmt: skip
_TRUTHS = ("ground_truth", "mask", "masks", "gt")
_SPLITS = ("train", "test", "test_public", "validation")  # parts of a category, no category


def _named(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """The folders in `folder` that have one of the names; `NOT-OK` counts as `not_ok`."""
    if not folder.is_dir():
        return []
    plain = {inside: inside.name.lower().replace("-", "_") for inside in folders(folder)}
    return [inside for inside, name in plain.items() if name.replace(" ", "_") in names]


def _holds(folder: Path) -> bool:
    if (folder / "train" / GOOD).is_dir() or BTAD.holds(folder) or folder.name.lower() in _SPLITS:
        return False
    if train := _named(folder, ("train",)):
        return bool(_named(train[0], _GOODS))
    if not folder.is_dir() or any(path.suffix.lower() in SUFFIXES for path in folder.iterdir()):
        return False  # a plain folder of images, whatever else is in it
    return bool(_named(folder, _GOODS) and _named(folder, _BADS))


def _read(folder: Path) -> Category:
    if train := _named(folder, ("train",)):
        return _divided(folder, train[0])
    good, bad = _one(folder, _GOODS), _named(folder, _BADS)
    truth = _truth(folder)
    train, tested = every_fifth(list_images(good), str(good))
    tests = []
    for inside in bad:
        # With one kind of defects its masks may lie in the folder of masks itself.
        masks = truth / inside.name
        flat = len(bad) == 1 and truth.is_dir() and not masks.is_dir()
        tests += labelled(inside, inside.name, truth if flat else masks)
    tests += [TestImage(path, GOOD, None) for path in tested]
    note = (
        f"{good}: every fifth image by name, {len(tested)} of {len(tested) + len(train)}, is for "
        "testing, the others are to fit on; a folder called test is taken whole"
    )
    read = [good.name, truth.name, *(inside.name for inside in bad)]
    tests.sort(key=lambda test: test.label)
    return Category(folder.name, train, tuple(tests), notes=(note, *not_read(folder, read)))


def _divided(folder: Path, train: Path) -> Category:
    """In test, every folder that is not the good one is a defect."""
    good, test = _one(train, _GOODS), _named(folder, ("test",))
    tests = ()
    if test:
        tested = _named(test[0], _GOODS)
        good_name = _one(test[0], _GOODS).name if tested else good.name
        tests = read_test(test[0], _truth(folder), good=good_name)
    return Category(folder.name, list_images(good), tests, notes=not_read(train, [good.name]))


def _one(folder: Path, names: tuple[str, ...]) -> Path:
    found = _named(folder, names)
    if len(found) > 1:
        listed = " and ".join(path.name for path in found)
        raise ValueError(f"{folder} has {listed}: keep the good images in one folder")
    return found[0]


def _truth(folder: Path) -> Path:
    return (_named(folder, _TRUTHS) or [folder / _TRUTHS[0]])[0]


PAIR = Layout("pair", "good and bad, or train/good and test/bad, by any usual names", _holds, _read)
