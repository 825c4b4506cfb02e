"""Every layout on a miniature: known as itself and no other, read whole, wrong in every way."""

import re
import shutil

import miniatures
import numpy as np
import pytest
from miniatures import EXPECTED, image, images, mask
from PIL import Image

from gaussft_jax.data import (
    LAYOUTS,
    Category,
    categories,
    layout_of,
    read_category,
    read_good,
    read_images,
    read_labelled,
    read_masks,
    read_saturations,
    source,
)

every = pytest.mark.parametrize("make", EXPECTED, ids=lambda make: make.__name__)


@every
def test_a_category_is_known_as_its_own_layout_and_no_other(tmp_path, make):
    name = make(tmp_path)
    folder = tmp_path / name
    assert [one.name for one in LAYOUTS.values() if one.holds(folder)] == [EXPECTED[make][0]]
    assert categories(folder.parent) == (folder.name,)
    assert categories(folder.parent, EXPECTED[make][0]) == (folder.name,)
    assert source(tmp_path, name) == folder
    # No part of it is another category, but for VisA's images without their masks, a pair.
    parts = {path.name for path in folder.rglob("*") if path.is_dir() and layout_of(path)}
    assert parts == ({"Images"} if EXPECTED[make][0] == "visa" else set())


@every
def test_a_category_is_read_whole(tmp_path, make):
    name = make(tmp_path)
    _, train, validation, labels, has_masks = EXPECTED[make]
    category = read_category(tmp_path, name)
    assert category.name == (tmp_path / name).name
    assert (len(category.train), len(category.validation)) == (train, validation)
    assert [test.label for test in category.test] == labels
    assert len({test.name for test in category.test}) == len(labels)
    files = [path for split in category.splits.values() for path in split]
    assert len(set(files)) == len(files)
    assert read_images(files, 32, progress=False).shape == (len(files), 32, 32, 3)
    masks = read_masks(category.test, 32)
    assert (masks is not None) == has_masks
    if has_masks:
        assert masks.any((1, 2)).tolist() == [label != "good" for label in labels]
    assert read_category(str(tmp_path), name, EXPECTED[make][0]) == category
    # What the commands are given: the same, and what is written stays out of it.
    fit, tested = read_good(tmp_path / name), read_labelled(tmp_path / name)
    assert (fit.category.train, tested.category.test) == (category.train, category.test)
    own = {path for path in (tmp_path / name).iterdir() if path.is_dir()}
    if make is not miniatures.kolektor:
        assert own <= {*tested.sources}
        assert {path for path in own if "test_private" not in path.name} <= {*fit.sources}


def test_several_masks_are_united_and_their_values_keep_the_saturation(tmp_path):
    box = tmp_path / miniatures.mvtec_loco(tmp_path)
    (logical,) = (x for x in read_category(tmp_path, "box").test if x.label.startswith("logical"))
    united = read_masks([logical], 32)[0]
    values = [np.asarray(Image.open(path)) for path in logical.masks]
    np.testing.assert_array_equal(united, values[0].astype(int) + values[1] > 0)
    assert len(logical.masks) == 2 and united.sum() == 128
    assert [value.max() for value in values] == [200, 201]
    saturations = read_saturations(box)
    assert saturations[200] == ("missing_part", 200, 100, False)
    assert saturations[201].relative_saturation
    (box / "defects_config.json").write_text('[{"pixel_value": 3}]')
    with pytest.raises(ValueError, match=r"defects_config\.json is no list of objects with defect"):
        read_saturations(box)


def test_images_without_labels_are_listed_apart(tmp_path):
    category = read_category(tmp_path, miniatures.mvtec_ad2(tmp_path))
    assert {name: len(files) for name, files in category.unlabelled.items()} == {
        "test_private": 3,
        "test_private_mixed": 1,
    }
    assert list(category.splits) == ["train", "validation", "test", *category.unlabelled]
    assert [note.partition(": ")[2] for note in category.notes] == [
        "2 good images set apart, neither fitted nor tested on",
        "3 images without labels: judge them with `gaussft predict`",
        "1 images without labels: judge them with `gaussft predict`",
    ]


@pytest.mark.parametrize(
    ("make", "note"),
    [
        (miniatures.mvtec_loco, "validation/good: 2 good images set apart"),
        (miniatures.visa, "1 of 10 images are not used, by .*1cls.csv"),
        (
            miniatures.visa_undivided,
            "1cls.csv is missing: every fifth normal image is tested, 2 in",
        ),
        (miniatures.kolektor, "all defective images and the good ones of every fifth kos folder"),
        (miniatures.kolektor2, "train: 3 defective images not used"),
        (miniatures.pair, "OK: every fifth image by name, 2 of 7, is for testing"),
    ],
)
def test_what_is_divided_or_left_out_is_said(tmp_path, make, note):
    (said,) = read_category(tmp_path, make(tmp_path)).notes
    assert "\n" not in said
    assert re.search(note, said)


def test_every_fifth_good_image_is_tested_always_the_same(tmp_path):
    miniatures.pair(tmp_path)
    category = read_category(tmp_path, "screws")
    assert [test.path.stem for test in category.test if not test.defective] == ["000", "005"]
    assert [path.stem for path in category.train] == ["001", "002", "003", "004", "006"]


def test_an_item_is_fitted_on_or_tested_on(tmp_path):
    category = read_category(tmp_path, miniatures.kolektor(tmp_path))
    good = {test.path.parent.name for test in category.test if not test.defective}
    assert good == {"kos01", "kos06"}
    assert good.isdisjoint(path.parent.name for path in category.train)
    assert [x.name for x in category.test][:2] == [
        "defect/kos02_Part1.jpg",
        "defect/kos05_Part0.jpg",
    ]


def test_a_split_file_is_followed(tmp_path):
    category = read_category(tmp_path, miniatures.visa(tmp_path))
    assert [path.stem for path in category.train] == ["000", "001", "002", "003", "006"]
    assert [test.path.stem for test in category.test] == ["000", "001", "004", "005"]


def test_masks_of_the_only_defect_lie_in_the_folder_of_masks(tmp_path):
    miniatures.pair(tmp_path)
    for i in range(2):
        mask(tmp_path / "screws" / "masks" / f"{i:03d}_mask.png", 4 * i)
    assert read_masks(read_category(tmp_path, "screws").test, 32).any((1, 2)).sum() == 2


def drop(*names):
    def change(folder):
        for name in names:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def twin(name):
    """The same image once more, as another kind of file."""
    return lambda folder: image((folder / name).with_suffix(".tif"), 0)


def empty(name):
    def change(folder):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)

    return change


ANOMALY = "Data/Images/Anomaly/001.JPG"
WRONG = [
    (miniatures.mvtec, drop("ground_truth/cut/001_mask.png"), "of 1 of 2 images, first .*/001.png"),
    (miniatures.mvtec, twin("test/cut/001.png"), "named alike and share the mask"),
    (miniatures.mvtec, empty("train/good"), "train/good holds no image"),
    (miniatures.visa_copy, twin("test/bad/001.JPG"), "named alike and share the mask"),
    (
        miniatures.mvtec_loco, drop("ground_truth/logical_anomalies/000"),
        "of 1 of 1 images, first .*logical_anomalies/000.png: add 000/000.png",
    ),
    (miniatures.mvtec_loco, twin("test/structural_anomalies/000.png"), "named alike and share the"),
    (miniatures.mvtec_loco, empty("ground_truth/logical_anomalies/000"), "000 holds no image"),
    (miniatures.mvtec_loco, empty("validation/good"), "validation/good holds no image"),
    (
        miniatures.mvtec_ad2, drop("test_public/ground_truth/bad/000_mask.png"),
        "of 1 of 2 images, first .*bad/000.png",
    ),
    (miniatures.mvtec_ad2, twin("test_public/bad/001.png"), "named alike and share the mask"),
    (miniatures.mvtec_ad2, empty("test_private"), "test_private holds no image"),
    (miniatures.visa, drop("Data/Masks/Anomaly/001.png"), "lists 1 missing files, first .*001.png"),
    (miniatures.visa, drop("Data/Images/Normal/001.JPG"), "lists 1 missing files, first .*001.JPG"),
    (miniatures.visa, drop("../split_csv/1cls.csv"), None),
    (miniatures.visa_undivided, drop("Data/Masks/Anomaly/001.png"), f"1 of 2 images.*{ANOMALY}"),
    (miniatures.visa_undivided, twin(ANOMALY), "named alike and share the mask"),
    (miniatures.btad, drop("ground_truth/ko/001.bmp"), "1 of 2 images, first .*ko/001.bmp"),
    (miniatures.btad, twin("test/ko/000.bmp"), "named alike and share the mask"),
    (miniatures.kolektor, drop("kos03/Part1_label.bmp"), "kos03 lacks the masks of 1 of 2"),
    (miniatures.kolektor, twin("kos03/Part1.jpg"), "named alike and share the mask"),
    (miniatures.kolektor, drop(*(f"kos{i:02d}" for i in range(2, 8))), "no good image to fit on"),
    (miniatures.kolektor2, drop("test/20002_GT.png"), "1 of 4 images, first .*20002.png: add"),
    (miniatures.kolektor2, twin("test/20002.png"), "named alike and share the mask"),
    (miniatures.kolektor2, drop("test"), "test is not a folder"),
    (miniatures.pair, drop(*(f"OK/{i:03d}.jpg" for i in range(6))), "OK holds one image"),
    (miniatures.pair, empty("Not-OK"), "Not-OK holds no image"),
    (miniatures.pair, lambda folder: images(folder / "good", 2), "OK and good: keep the good"),
    (miniatures.pair_divided, drop("masks/scratched/000.png"), "1 of 2 images, first .*/000.png"),
    (miniatures.pair_divided, twin("Test/scratched/000.png"), "named alike and share the mask"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "change", "message"), WRONG, ids=[f"{x[0].__name__}-{i}" for i, x in enumerate(WRONG)]
)
def test_what_is_wrong_is_said_in_a_line(tmp_path, make, change, message):
    folder = tmp_path / make(tmp_path)
    change(folder)
    if message is None:
        assert isinstance(read_category(folder.parent, folder.name), Category)
        return
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        read_category(folder.parent, folder.name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("pcb1", "train", "normal", "x", "")], "no row of object 'candle'"),
        ([("candle", "test", "anomaly", f"candle/{ANOMALY}", "")], "1 of 1 images.*in its row"),
        (
            [("candle", "test", "normal", f"candle/{ANOMALY}", "")],
            "lists no normal image of candle",
        ),
    ],
)
def test_a_wrong_split_file(tmp_path, rows, message):
    miniatures.visa(tmp_path)
    miniatures.write_split(tmp_path, rows)
    with pytest.raises(ValueError, match=message):
        read_category(tmp_path, "candle")
    (tmp_path / "split_csv" / "1cls.csv").write_text("image\n")
    with pytest.raises(ValueError, match="needs the columns image, label, mask, object, split"):
        read_category(tmp_path, "candle")


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        (
            ["train/Fine/0.png", "test/cut/0.png"],
            r"holds test/\{cut\}, train/\{Fine\}; wanted",
        ),
        (["Kos01/part0.jpg", "0.bmp"], r"holds Kos01/, 1 \.bmp; wanted"),
        (["train/0.png", "test/0.png"], r"holds test/, train/; wanted"),
        (["data/images/normal/0.png"], r"holds data/\{images\}; wanted"),
        ([f"{letter}/0.png" for letter in "abcdefghijk"], r"h/, 3 more folders; wanted"),
    ],
)
def test_the_wrong_case_is_shown_beside_what_is_wanted(tmp_path, wrong, found):
    for name in wrong:
        image(tmp_path / "nut" / name, 0)
    with pytest.raises(FileNotFoundError, match=found) as error:
        read_category(tmp_path, "nut")
    assert "\n" not in str(error.value)


def test_names_of_mvtec_in_the_wrong_case_are_those_of_a_pair(tmp_path):
    folder = tmp_path / miniatures.mvtec(tmp_path)
    expected = read_category(tmp_path, "nut").test
    for old, new in (("train/good", "train/Good"), ("train", "Train"), ("test", "Test")):
        (folder / old).rename(folder / new)
    category = read_category(tmp_path, "nut")
    assert layout_of(folder).name == "pair"
    assert len(category.train) == 5
    assert [(x.name, x.mask) for x in category.test] == [(x.name, x.mask) for x in expected]
    with pytest.raises(FileNotFoundError, match=r"holds Test/\{cut,good\}, Train/\{Good\}, gro"):
        read_category(tmp_path, "nut", "mvtec")


def test_a_layout_by_name_is_the_only_one_tried(tmp_path):
    name = miniatures.btad(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"wanted: train/good and test/<defect> \(mvtec\)$"):
        read_category(tmp_path, name, "mvtec")
    assert categories(tmp_path, "mvtec") == ()
    with pytest.raises(ValueError, match="no layout 'coco'; there are auto, mvtec, mvtec_loco"):
        read_category(tmp_path, name, "coco")


def test_two_layouts_in_one_folder_are_refused(tmp_path):
    miniatures.kolektor2(tmp_path)
    images(tmp_path / "KolektorSDD2" / "train" / "good", 1)
    images(tmp_path / "KolektorSDD2" / "test" / "cut", 1)
    with pytest.raises(ValueError, match="can be read as mvtec or kolektor2: name one by config"):
        read_category(tmp_path, "KolektorSDD2")
    assert len(read_category(tmp_path, "KolektorSDD2", "mvtec").train) == 1


def test_a_category_given_as_the_root_is_said_to_be_one(tmp_path):
    name = miniatures.kolektor2(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"is a category itself \(kolektor2\): give"):
        read_category(tmp_path / name, "metal")


def test_a_plain_folder_of_good_images_and_one_of_labels(tmp_path):
    images(tmp_path / "parts", 3)
    images(tmp_path / "parts" / "good", 1)
    images(tmp_path / "parts" / "bad", 1)
    (tmp_path / "parts" / "notes.txt").write_text("")
    fit = read_good(tmp_path / "parts")
    assert (len(fit.category.train), fit.sources) == (3, (tmp_path / "parts",))
    assert "1 file skipped: 1 .txt; 2 folders not looked into" in fit.category.notes[0]
    assert len(read_good(tmp_path / "parts", recursive=True).category.train) == 5
    # By the name test, or as part of a category, a folder of labels is taken whole.
    images(tmp_path / "test" / "good", 4)
    images(tmp_path / "test" / "bad", 1)
    assert len(read_labelled(tmp_path / "test").category.test) == 5
    can = tmp_path / miniatures.mvtec_ad2(tmp_path)
    assert read_labelled(can / "test_public") == read_labelled(can)
    loco = tmp_path / miniatures.mvtec_loco(tmp_path)
    assert read_masks(read_labelled(loco / "test").category.test, 32).any((1, 2)).sum() == 2


def test_what_cannot_be_meant_is_refused(tmp_path):
    images(tmp_path / "a" / "b", 1)
    with pytest.raises(FileNotFoundError, match=r"a is in no known layout: it holds b/; wanted"):
        read_good(tmp_path / "a")
    with pytest.raises(
        FileNotFoundError, match=r"b is in no known layout: it holds 1 \.png; wanted"
    ):
        read_labelled(tmp_path / "a" / "b")
    images(tmp_path / "parts" / "good", 1)
    with pytest.raises(FileNotFoundError, match=r"wanted: .*; or give .*/parts/good alone$"):
        read_good(tmp_path / "parts")
    images(tmp_path / "nut" / "train" / "good", 1)
    with pytest.raises(FileNotFoundError, match=r"is no category but has some: give one of nut$"):
        read_good(tmp_path)
    with pytest.raises(ValueError, match=r"nut has no test images \(mvtec\)"):
        read_labelled(tmp_path / "nut")
    images(tmp_path / "nut" / "test", 2)  # not sorted yet: nothing to measure, yet much to fit on
    assert len(read_good(tmp_path / "nut").category.train) == 1
    with pytest.raises(ValueError, match=r"nut/test is empty"):
        read_labelled(tmp_path / "nut")
    with pytest.raises(ValueError, match=r"nut is a category \(mvtec\), which says itself what is"):
        read_good(tmp_path / "nut", recursive=True)
    for read in (read_good, read_labelled):
        with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
            read(tmp_path / "nowhere")
