"""A small category in each layout: images of 32 px, each with pixels of its own."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 32


def image(path: Path, seed: int) -> None:
    """Noise of its own; the suffix says the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(60, 200, (SIDE, SIDE, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)


def mask(path: Path, top: int | None, value: int = 255) -> None:
    """A bar of four rows from `top` on; black all over with None."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    if top is not None:
        pixels[top : top + 4, 8:24] = value
    Image.fromarray(pixels).save(path)


def images(folder: Path, count: int, suffix: str = ".png") -> None:
    """`count` images 000, 001, ..."""
    for i in range(count):
        image(folder / f"{i:03d}{suffix}", i + 7 * len(str(folder)))


def mvtec(root: Path) -> str:
    nut = root / "nut"
    images(nut / "train" / "good", 5)
    images(nut / "test" / "good", 2)
    images(nut / "test" / "cut", 2)
    for i in range(2):
        mask(nut / "ground_truth" / "cut" / f"{i:03d}_mask.png", 4 * i)
    return "nut"


def mpdd(root: Path) -> str:
    """As MVTec AD, which it is read as."""
    (root / mvtec(root)).rename(root / "bracket_black")
    return "bracket_black"


def visa_copy(root: Path) -> str:
    """The copy that VisA's own script makes; it is read as MVTec AD."""
    candle = root / "1cls" / "candle"
    images(candle / "train" / "good", 5, ".JPG")
    images(candle / "test" / "good", 2, ".JPG")
    images(candle / "test" / "bad", 2, ".JPG")
    for i in range(2):
        mask(candle / "ground_truth" / "bad" / f"{i:03d}.png", 4 * i, value=1)
    return "1cls/candle"


def mvtec_loco(root: Path) -> str:
    box = root / "box"
    images(box / "train" / "good", 5)
    images(box / "validation" / "good", 2)
    images(box / "test" / "good", 2)
    for kind, tops in (("logical_anomalies", (0, 20)), ("structural_anomalies", (8,))):
        images(box / "test" / kind, 1)
        for i, top in enumerate(tops):
            mask(box / "ground_truth" / kind / "000" / f"{i:03d}.png", top, value=200 + i)
    (box / "defects_config.json").write_text(
        '[{"defect_name": "missing_part", "pixel_value": 200, "saturation_threshold": 100,'
        ' "relative_saturation": false}, {"defect_name": "cut", "pixel_value": 201,'
        ' "saturation_threshold": 1.0, "relative_saturation": true}]'
    )
    return "box"


def mvtec_ad2(root: Path) -> str:
    can = root / "can"
    images(can / "train" / "good", 5)
    images(can / "validation" / "good", 2)
    images(can / "test_public" / "good", 2)
    images(can / "test_public" / "bad", 2)
    for i in range(2):
        mask(can / "test_public" / "ground_truth" / "bad" / f"{i:03d}_mask.png", 4 * i)
    images(can / "test_private", 3)
    images(can / "test_private_mixed", 1)
    return "can"


def visa(root: Path, split: bool = True) -> str:
    data = root / "candle" / "Data"
    images(data / "Images" / "Normal", 8, ".JPG")
    images(data / "Images" / "Anomaly", 2, ".JPG")
    for i in range(2):
        mask(data / "Masks" / "Anomaly" / f"{i:03d}.png", 4 * i, value=1)
    if split:
        normal = "candle/Data/Images/Normal/{:03d}.JPG"
        anomaly, truth = (
            "candle/Data/Images/Anomaly/{:03d}.JPG",
            "candle/Data/Masks/Anomaly/{:03d}.png",
        )
        rows = [("candle", "train", "normal", normal.format(i), "") for i in (6, 1, 2, 3, 0)]
        rows += [("candle", "test", "normal", normal.format(i), "") for i in (5, 4)]
        rows += [("candle", "test", "anomaly", anomaly.format(i), truth.format(i)) for i in (1, 0)]
        rows += [("pcb1", "train", "normal", "pcb1/Data/Images/Normal/000.JPG", "")]
        write_split(root, rows)
    return "candle"


def write_split(root: Path, rows: list[tuple[str, ...]]) -> None:
    (root / "split_csv").mkdir(exist_ok=True)
    with (root / "split_csv" / "1cls.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("object", "split", "label", "image", "mask"), *rows])


def visa_undivided(root: Path) -> str:
    return visa(root, split=False)


def btad(root: Path) -> str:
    product = root / "01"
    images(product / "train" / "ok", 5, ".bmp")
    images(product / "test" / "ok", 2, ".bmp")
    images(product / "test" / "ko", 2, ".bmp")
    mask(product / "ground_truth" / "ko" / "000.png", 0)
    mask(product / "ground_truth" / "ko" / "001.bmp", 4)
    return "01"


def kolektor(root: Path) -> str:
    for item in range(1, 8):
        for part in range(2):
            path = root / "KolektorSDD" / f"kos{item:02d}" / f"Part{part}.jpg"
            image(path, 10 * item + part)
            defect = 4 if (item, part) in ((2, 1), (5, 0)) else None
            mask(path.with_name(f"Part{part}_label.bmp"), defect)
    return "KolektorSDD"


def kolektor2(root: Path) -> str:
    for part, count in (("train", 8), ("test", 4)):
        for i in range(count):
            path = root / "KolektorSDD2" / part / f"{20000 + i}.png"
            image(path, 100 * count + i)
            mask(path.with_name(f"{path.stem}_GT.png"), 4 if i % 3 == 1 else None)
    return "KolektorSDD2"


def pair(root: Path) -> str:
    """Side by side."""
    images(root / "screws" / "OK", 7, ".jpg")
    images(root / "screws" / "Not-OK", 2, ".jpg")
    return "screws"


def pair_divided(root: Path) -> str:
    """In train and test, with masks."""
    images(root / "screws" / "Train" / "Normal", 5)
    images(root / "screws" / "Test" / "normal", 2)
    images(root / "screws" / "Test" / "scratched", 2)
    for i in range(2):
        mask(root / "screws" / "masks" / "scratched" / f"{i:03d}.png", 4 * i)
    return "screws"


# The name of the layout, train, validation, labels of the test images, and whether they have masks.
EXPECTED = {
    mvtec: ("mvtec", 5, 0, ["cut", "cut", "good", "good"], True),
    mpdd: ("mvtec", 5, 0, ["cut", "cut", "good", "good"], True),
    visa_copy: ("mvtec", 5, 0, ["bad", "bad", "good", "good"], True),
    mvtec_loco: (
        "mvtec_loco", 5, 2, ["good", "good", "logical_anomalies", "structural_anomalies"], True,
    ),
    mvtec_ad2: ("mvtec_ad2", 5, 2, ["bad", "bad", "good", "good"], True),
    visa: ("visa", 5, 0, ["anomaly", "anomaly", "good", "good"], True),
    visa_undivided: ("visa", 6, 0, ["anomaly", "anomaly", "good", "good"], True),
    btad: ("btad", 5, 0, ["good", "good", "ko", "ko"], True),
    kolektor: ("kolektor", 8, 0, ["defect", "defect", *["good"] * 4], True),
    kolektor2: ("kolektor2", 5, 0, ["defect", "good", "good", "good"], True),
    pair: ("pair", 5, 0, ["Not-OK", "Not-OK", "good", "good"], False),
    pair_divided: ("pair", 5, 0, ["good", "good", "scratched", "scratched"], True),
}  # fmt: skip
