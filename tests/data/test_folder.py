"""The MVTec AD layout: what is found, in which order, and what is refused."""

from pathlib import Path

import pytest

from gaussft_jax.data import list_images, read_category, read_images, read_masks
from gaussft_jax.data.folder import TestImage


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_everything_is_found_and_sorted(tmp_path):
    root = touch(
        tmp_path,
        *(f"nut/train/good/{name}" for name in ("b.png", "a.JPG", "C.TIFF", "d.jpeg", "e.bmp")),
        *(f"nut/train/good/{name}" for name in ("notes.txt", ".a.png", "sub.png/x.png")),
        *(f"nut/test/{name}" for name in ("good/0.png", "cut/1.tif", "cut/0.png", ".git/0.png")),
        *(f"nut/ground_truth/{name}" for name in ("cut/0_mask.png", "cut/1.bmp", "good/0.png")),
        "nut/test/readme.txt",
    )
    nut = root / "nut"
    category = read_category(root, "nut")
    assert category.name == "nut"
    good = nut / "train" / "good"
    assert category.train == tuple(
        good / name for name in ("C.TIFF", "a.JPG", "b.png", "d.jpeg", "e.bmp")
    )
    assert category.test == (
        TestImage(nut / "test/cut/0.png", "cut", nut / "ground_truth/cut/0_mask.png"),
        TestImage(nut / "test/cut/1.tif", "cut", nut / "ground_truth/cut/1.bmp"),
        TestImage(nut / "test/good/0.png", "good", None),
    )
    assert read_category(str(root), "nut") == category
    assert list_images(good) == category.train


def test_mask_suffix_goes_before_the_plain_stem(tmp_path):
    touch(tmp_path, "nut/train/good/0.png", "nut/test/cut/0.png")
    touch(tmp_path, "nut/ground_truth/cut/0_mask.png", "nut/ground_truth/cut/0.png")
    (image,) = read_category(tmp_path, "nut").test
    assert image.mask == tmp_path / "nut/ground_truth/cut/0_mask.png"


def test_parts_that_may_be_missing(tmp_path):
    touch(tmp_path, "nut/train/good/0.png")
    assert read_category(tmp_path, "nut").test == ()
    touch(tmp_path, "nut/test/cut/0.png", "nut/test/hole/0.png")
    assert [image.mask for image in read_category(tmp_path, "nut").test] == [None, None]
    touch(tmp_path, "nut/ground_truth/hole/0.png")
    masks = [image.mask for image in read_category(tmp_path, "nut").test]
    assert masks == [None, tmp_path / "nut/ground_truth/hole/0.png"]


def test_names_with_spaces_and_beyond_ascii(tmp_path):
    touch(tmp_path, "größe 5/train/good/é 1.png", "größe 5/test/brüchig x/ж 1.png")
    touch(tmp_path, "größe 5/ground_truth/brüchig x/ж 1_mask.png")
    category = read_category(tmp_path, "größe 5")
    assert category.train[0].name == "é 1.png"
    assert category.test[0].label == "brüchig x"
    assert category.test[0].mask.name == "ж 1_mask.png"


@pytest.mark.parametrize(
    ("names", "category", "error", "message"),
    [
        (["a/train/good/0.png", "b/train/good/0.png", "c/x.txt"], "d", FileNotFoundError, "a, b$"),
        (["c/x.txt"], "d", FileNotFoundError, "it has none in a known layout"),
        (
            ["d/0.png"],
            "d",
            FileNotFoundError,
            r"d is in no known layout: it holds 1 \.png; wanted: train/good",
        ),
        (["d/train/good/0.txt"], "d", ValueError, r"d/train/good holds no image: put \.png"),
        (["d/train/good/0.png", "d/test/0.png"], "d", ValueError, "d/test is empty: put"),
        (["d/train/good/0.png", "d/test/cut/x"], "d", ValueError, "d/test/cut holds no image"),
        (
            [
                "d/train/good/0.png",
                *(f"d/test/cut/{i}.png" for i in range(3)),
                "d/ground_truth/cut/1_mask.png",
            ],
            "d",
            ValueError,
            r"d/ground_truth/cut lacks the masks of 2 of 3 images, first .*d/test/cut/0.png: add "
            r"0_mask.png",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path, names, category, error, message):
    touch(tmp_path, *names)
    with pytest.raises(error, match=message):
        read_category(tmp_path, category)


def test_missing_root(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder: give the folder that"):
        read_category(tmp_path / "nowhere", "nut")
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
        list_images(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "train", "test", "good"), [("magnetic_tile", 240, 140, 60), ("pill", 267, 167, 26)]
)
def test_real_categories(real_data, name, train, test, good):
    category = read_category(real_data, name)
    assert (len(category.train), len(category.test)) == (train, test)
    # Enlarged, so that nearest neighbours keep each pixel: one mask of magnetic_tile has only one.
    marked = read_masks(category.test, 600).any(axis=(1, 2))
    assert [image.label != "good" for image in category.test] == marked.tolist()
    assert (~marked).sum() == good
    assert read_images(category.train[:9], 32, progress=False).std() > 1


def test_two_images_do_not_share_a_mask(tmp_path):
    touch(tmp_path, "nut/train/good/0.png", "nut/test/good/0.png", "nut/test/good/0.jpg")
    touch(tmp_path, "nut/test/cut/000.png", "nut/test/cut/000.jpg", "nut/test/cut/1.png")
    assert len(read_category(tmp_path, "nut").test) == 5
    touch(tmp_path, "nut/ground_truth/cut/000_mask.png", "nut/ground_truth/cut/1_mask.png")
    with pytest.raises(ValueError, match=r"cut/000.jpg and .*cut/000.png are named alike") as error:
        read_category(tmp_path, "nut")
    assert "\n" not in str(error.value)
