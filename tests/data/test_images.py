"""Pixels of every format against NumPy, and every file that must be refused."""

import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from gaussft_jax.data import (
    ImageError,
    TestImage,
    images,
    read_image,
    read_images,
    read_mask,
    read_masks,
    read_photograph,
)

SIZE = 16
CHANNELS = {"L": (), "LA": (2,), "RGB": (3,), "RGBA": (4,)}


def grey(values):
    return np.repeat(values[..., None], 3, axis=-1)


def over_black(colour, alpha):
    return np.rint(colour * (alpha[..., None] / 255))


def example(mode, rng):
    """A random image of a mode, and its RGB values."""
    if mode == "1":
        bits = rng.random((SIZE, SIZE)) < 0.5
        return Image.fromarray(bits), grey(bits * 255)
    if mode == "P":
        palette, indices = rng.integers(0, 256, (256, 3)), rng.integers(0, 256, (SIZE, SIZE))
        image = Image.new("P", (SIZE, SIZE))
        image.putdata(indices.ravel().tolist())
        image.putpalette(palette.ravel().tolist())
        return image, palette[indices]
    if mode == "I;16":
        values = rng.integers(0, 65536, (SIZE, SIZE)).astype(np.uint16)
        return Image.fromarray(values), grey(np.rint(values * (255 / 65535)))
    values = rng.integers(0, 256, (SIZE, SIZE, *CHANNELS[mode])).astype(np.uint8)
    expected = {
        "L": lambda: grey(values),
        "LA": lambda: over_black(grey(values[..., 0]), values[..., 1]),
        "RGB": lambda: values,
        "RGBA": lambda: over_black(values[..., :3], values[..., 3]),
    }
    return Image.fromarray(values), expected[mode]()


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [(suffix, mode) for suffix in ("png", "tif") for mode in ("1", "L", "LA", "P", "RGB", "RGBA")]
    + [("bmp", mode) for mode in ("1", "L", "P", "RGB")]
    + [("png", "I;16"), ("tif", "I;16"), ("webp", "RGB"), ("webp", "RGBA")],
)
def test_lossless_formats(tmp_path, rng, suffix, mode):
    image, expected = example(mode, rng)
    path = tmp_path / f"ein bild ü.{suffix}"
    image.save(path, **({"lossless": True, "exact": True} if suffix == "webp" else {}))
    np.testing.assert_array_equal(read_image(path, SIZE), expected)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg(tmp_path, mode):
    bands = {"L": 1, "RGB": 3, "CMYK": 4}[mode]
    colour = (200, 90, 30, 51)[:bands]
    path = tmp_path / "a.jpg"
    Image.new(mode, (40, 30), colour if bands > 1 else colour[0]).save(path, quality=95)
    expected = {"L": [200] * 3, "RGB": colour, "CMYK": [(255 - c) * 0.8 for c in colour[:3]]}[mode]
    result = read_image(path, SIZE)
    assert result.shape == (SIZE, SIZE, 3)
    np.testing.assert_allclose(result, np.broadcast_to(expected, result.shape), atol=2)


def test_palette_and_colour_key_transparency_lie_over_black(tmp_path, rng):
    image, expected = example("P", rng)
    indices = np.asarray(image)
    image.save(tmp_path / "index.png", transparency=7)
    alphas = rng.integers(0, 256, 256).astype(np.uint8)
    image.save(tmp_path / "alphas.png", transparency=alphas.tobytes())
    Image.fromarray(indices).save(tmp_path / "grey.png", transparency=7)
    shown = (indices != 7)[..., None]
    np.testing.assert_array_equal(read_image(tmp_path / "index.png", SIZE), expected * shown)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png", SIZE), grey(indices) * shown)
    np.testing.assert_array_equal(
        read_image(tmp_path / "alphas.png", SIZE), over_black(expected, alphas[indices])
    )


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
def test_wide_tifs_of_both_byte_orders(tmp_path, rng, byteorder, dtype):
    values = rng.integers(0, 65536, (SIZE, SIZE)).astype(dtype)
    values[0, :2] = 0, 65535
    tifffile.imwrite(tmp_path / "a.tif", values, byteorder=byteorder)
    expected = grey(np.rint(values / 257))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", SIZE), expected)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_orientation(tmp_path, suffix):
    upright = np.zeros((24, 48, 3), np.uint8)
    upright[:, 24:] = 255  # 48 wide, white on the right
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: stored turned the other way
    path, mask = tmp_path / f"a.{suffix}", tmp_path / "m.png"
    Image.fromarray(np.rot90(upright)).save(path, exif=exif)
    result = read_image(path, 24)
    assert (result[:, :11] < 10).all()
    assert (result[:, 13:] > 245).all()
    Image.fromarray(upright[..., 0]).save(mask)
    np.testing.assert_array_equal(read_mask(mask, 24, path), result[..., 0] > 127)


@pytest.mark.parametrize("place", ["before", "behind", "nowhere"])
def test_the_size_of_a_png_is_told_without_its_pixels(tmp_path, monkeypatch, place):
    exif, path = Image.Exif(), tmp_path / "a.png"
    exif[0x0112] = 6
    Image.new("RGB", (48, 24)).save(path, exif=exif)
    whole = path.read_bytes()
    chunk = whole[(start := whole.index(b"eXIf") - 4) : whole.index(b"IDAT") - 4]
    rest, end = whole.replace(chunk, b""), whole.index(b"IEND") - 4 - len(chunk)
    assert start < end
    moved = {"before": whole, "behind": rest[:end] + chunk + rest[end:], "nowhere": rest}[place]
    path.write_bytes(moved)
    decoded = []
    load = PngImagePlugin.PngImageFile.load
    monkeypatch.setattr(
        PngImagePlugin.PngImageFile, "load", lambda image: decoded.append(1) or load(image)
    )
    turned = place != "nowhere"
    assert images._oriented_size(path) == ((24, 48) if turned else (48, 24))
    assert bool(decoded) == (place == "behind")
    assert read_photograph(path).shape == ((48, 24, 3) if turned else (24, 48, 3))


def triangle(n, size):
    """Pillow's documented filter: a triangle as wide as two pixels of the coarser grid."""
    centres = (np.arange(size)[:, None] + 0.5) * (n / size)
    weights = 1 - abs(np.arange(n) + 0.5 - centres) / max(n / size, 1)
    weights = np.maximum(weights, 0)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("height", "width"), [(50, 20), (7, 33), (64, 64)])
def test_one_square_antialiased_resize(tmp_path, rng, height, width):
    values = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    across = np.einsum("sw,hwc->hsc", triangle(width, SIZE), values)
    expected = np.einsum("sh,hwc->swc", triangle(height, SIZE), across)
    np.testing.assert_allclose(read_image(tmp_path / "a.png", SIZE), expected, atol=1.01)


def test_images_keep_their_order(tmp_path, rng, capsys):
    values = rng.integers(0, 256, (30, SIZE, SIZE, 3)).astype(np.uint8)
    paths = [tmp_path / f"{i}.png" for i in range(len(values))]
    for path, value in zip(paths, values, strict=True):
        Image.fromarray(value).save(path)
    np.testing.assert_array_equal(read_images(paths, SIZE, progress="good parts"), values)
    assert "good parts" in capsys.readouterr().err
    np.testing.assert_array_equal(read_images(paths[::-1], SIZE, progress=False), values[::-1])
    assert capsys.readouterr().err == ""
    assert read_images([], SIZE, progress=False).shape == (0, SIZE, SIZE, 3)
    as_text = read_images([str(path) for path in paths], SIZE, progress=False)
    np.testing.assert_array_equal(as_text, values)
    with pytest.raises(TypeError, match="is one path: give a list of files"):
        read_images(str(tmp_path), SIZE)

    for broken in (21, 12):
        paths[broken].write_bytes(b"")
    with pytest.raises(
        ImageError, match=r"12\.png: not an image in PNG, JPEG, BMP, TIFF, WEBP; replace"
    ):
        read_images(paths, SIZE, progress=False)


def bomb():
    """The start of a PNG that announces 60000 x 60000 pixels."""

    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif"])
def test_broken_files(tmp_path, rng, suffix):
    whole, broken = tmp_path / f"whole.{suffix}", tmp_path / f"broken.{suffix}"
    Image.fromarray(rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)).save(whole)
    read_image(whole, SIZE)
    content = whole.read_bytes()
    for part in (content[: len(content) * 2 // 3], b"", b"no image", bomb(), b"%!PS-Adobe-3.0\n"):
        broken.write_bytes(part)
        with pytest.raises(ImageError, match=rf"broken\.{suffix}: .+; replace or remove"):
            read_image(broken, SIZE)
        with pytest.raises(ImageError, match=rf"broken\.{suffix}: .+; replace or remove"):
            read_mask(broken, SIZE, whole)
    with pytest.raises(ImageError, match=rf"broken\.{suffix}: not an image in PNG"):
        read_mask(whole, SIZE, broken)


def test_reasons(tmp_path, rng):
    path = tmp_path / "a.tif"
    path.with_suffix(".png").write_bytes(bomb())
    with pytest.raises(ImageError, match="exceeds limit of"):
        read_image(path.with_suffix(".png"), SIZE)
    with pytest.raises(ImageError, match=r"a\.tif: No such file or directory"):
        read_image(path, SIZE)
    tifffile.imwrite(path, rng.random((9, 9), np.float32))
    with pytest.raises(ImageError, match=r"a\.tif: floating-point pixels.*save it with 8 or 16"):
        read_image(path, SIZE)
    Image.new("L", (9, 9)).save(tmp_path / "gif.png", format="GIF")
    with pytest.raises(ImageError, match=r"gif\.png: not an image in PNG, JPEG, BMP, TIFF"):
        read_image(tmp_path / "gif.png", SIZE)
    for value in (-1, 65536):
        tifffile.imwrite(path, np.full((9, 9), value, np.int32))
        with pytest.raises(ImageError, match=r"a\.tif: values outside 0\.\.65535; save"):
            read_image(path, SIZE)


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "F", "P", "RGB", "RGBA"])
def test_masks_are_everything_above_zero(tmp_path, rng, mode):
    height, width = 37, 23
    marked = rng.random((height, width)) < 0.5
    path, of = tmp_path / f"m.{'tif' if mode == 'F' else 'png'}", tmp_path / "a.png"
    Image.new("L", (width, height)).save(of)
    if mode == "1":
        image = Image.fromarray(marked)
    elif mode == "P":
        image = Image.fromarray(marked.astype(np.uint8))
        image.putpalette([0, 0, 0, 0, 0, 9])
    else:
        dtype = {"I;16": np.uint16, "F": np.float32}.get(mode, np.uint8)
        values = (marked * (0.2 if mode == "F" else 1)).astype(dtype)
        if mode in ("RGB", "RGBA"):
            values = np.stack([np.zeros_like(values), np.zeros_like(values), values], axis=-1)
        if mode == "RGBA":
            values = np.concatenate([values, np.full_like(values[..., :1], 255)], axis=-1)
        image = Image.fromarray(values)
    image.save(path)
    rows = np.floor((np.arange(SIZE) + 0.5) * height / SIZE).astype(int)
    columns = np.floor((np.arange(SIZE) + 0.5) * width / SIZE).astype(int)
    result = read_mask(path, SIZE, of)
    assert result.dtype == bool
    np.testing.assert_array_equal(result, marked[np.ix_(rows, columns)])


def test_mask_of_another_size(tmp_path):
    Image.new("L", (30, 40)).save(tmp_path / "a.png")
    Image.new("L", (40, 30)).save(tmp_path / "m.png")
    with pytest.raises(
        ImageError, match=r"m\.png is 40 x 30 pixels, but its image .*a\.png is 30 x 40: a mask"
    ):
        read_mask(tmp_path / "m.png", SIZE, tmp_path / "a.png")


def test_masks_of_a_test_set(tmp_path):
    image, mask = tmp_path / "a.png", tmp_path / "m.png"
    Image.new("L", (9, 9)).save(image)
    Image.new("L", (9, 9), 1).save(mask)
    good, marked, bare = (
        TestImage(image, "good", None),
        TestImage(image, "cut", mask),
        TestImage(image, "cut", None),
    )
    masks = read_masks([good, marked, good], 8)
    np.testing.assert_array_equal(masks, np.stack([np.full((8, 8), i == 1) for i in range(3)]))
    assert read_masks([good, marked, bare], 8) is None
    assert read_masks([], 8).shape == (0, 8, 8)
