import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from gaussft_jax.report import heatmap_overlay, mask_outline, overlays, write_overlays

S = 32


@pytest.fixture
def ramp():
    return np.linspace(3, 7, S * S, dtype=np.float32).reshape(S, S)


def grey(value):
    return np.full((S, S, 3), value, np.uint8)


def test_the_photograph_shows_where_the_map_is_cold_and_through_where_it_is_hot(ramp):
    black, white = (heatmap_overlay(grey(v), ramp, 3.0, 7.0).astype(float) for v in (0, 255))
    alpha = 1 - (white - black)[..., 0].ravel() / 255
    assert alpha[0] == 0
    assert alpha[-1] == pytest.approx(0.8, abs=0.01)
    assert (np.diff(alpha) >= -1.01 / 255).all()


def test_colours_are_those_of_the_map(ramp):
    black, white = (heatmap_overlay(grey(v), ramp, 3.0, 7.0).astype(float) for v in (0, 255))
    alpha = 1 - (white - black) / 255
    hot = alpha[..., 0] > 0.3
    expected = 255 * colormaps["inferno"]((ramp - 3) / 4)[..., :3]
    np.testing.assert_allclose((black / np.maximum(alpha, 0.1))[hot], expected[hot], atol=5)


def test_values_past_the_scale_take_its_ends(ramp, images):
    photograph = images[0, :S, :S]
    wide = heatmap_overlay(photograph, 100 * (ramp - 5), 3.0, 7.0)
    ends = np.where(ramp > 5, np.float32(7), np.float32(3))
    beyond = abs(ramp - 5) > 0.1
    np.testing.assert_array_equal(wide[beyond], heatmap_overlay(photograph, ends, 3.0, 7.0)[beyond])


def test_a_constant_map_leaves_the_photograph(images):
    constant = np.full((48, 48), 2.5, np.float32)
    np.testing.assert_array_equal(heatmap_overlay(images[0], constant, 2.5, 2.5), images[0])


def test_all_that_is_above_a_scale_of_one_value_is_hot(images):
    """Also far above it, as log-likelihoods are."""
    map = np.where(np.arange(images.shape[1])[:, None] < 5, -700, 700) * np.ones(images.shape[1])
    above, hot = (
        heatmap_overlay(images[0], np.float32(x), low, high)
        for x, low, high in ((map, -700.0, -700.0), (map, -700.0, 700.0))
    )
    np.testing.assert_array_equal(above, hot)


def test_outline_surrounds_the_mask_and_leaves_the_rest():
    photograph, mask = grey(90), np.zeros((S, S), bool)
    mask[10:15, 12:20] = True
    outlined = mask_outline(photograph, mask)
    changed = (outlined != photograph).any(-1)
    rows, columns = np.nonzero(changed)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 16, 10, 21)
    assert not changed[mask].any()
    assert (outlined[9, 11:21] == (0, 229, 255)).all()
    assert (outlined[8, 10:22] == 0).all()
    assert changed.sum() == 9 * 12 - 5 * 8


def test_no_mask_no_outline(images):
    np.testing.assert_array_equal(mask_outline(images[0], np.zeros((48, 48), bool)), images[0])


def test_overlays_of_a_category_share_one_scale(tmp_path, images, scored):
    write_overlays(tmp_path, images, scored)
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png")}
    assert written == set(scored.names)
    low, high = scored.maps.min().item(), scored.maps.max().item()
    for i in (0, 12, 19):
        panels = np.split(np.asarray(Image.open(tmp_path / scored.names[i])), 3, axis=1)
        np.testing.assert_array_equal(panels[0], images[i])
        np.testing.assert_array_equal(panels[1], mask_outline(images[i], scored.masks[i]))
        np.testing.assert_array_equal(
            panels[2], heatmap_overlay(images[i], scored.maps[i], low, high)
        )


def test_overlays_without_masks_have_two_panels(tmp_path, images, scored):
    names = tuple(name.replace(".png", ".jpg") for name in scored.names)
    write_overlays(tmp_path, images, scored._replace(masks=None, names=names))
    shapes = [np.asarray(Image.open(path)).shape for path in tmp_path.rglob("*.png")]
    assert shapes == [(48, 2 * 48, 3)] * len(names)


def _named(scored, images, *names):
    n = len(names)
    part = scored._replace(names=names, labels=names, scores=scored.scores[:n])
    return images[:n], part._replace(maps=scored.maps[:n], masks=None)


def test_every_image_has_an_overlay_of_its_own(tmp_path, images, scored):
    names = ("cut/1.png", "cut/1.jpg", "cut/1.jpg.png", "cut/A.png", "cut/a.png", "cut/1.png")
    images, scored = _named(scored, images, *names)
    write_overlays(tmp_path, images, scored)
    stems = ("1", "1.jpg", "1.jpg.png", "A", "a.png", "1.png")
    written = [tmp_path / "cut" / f"{stem}.png" for stem in stems]
    assert set(tmp_path.rglob("*.png")) == set(written)
    for path, image in zip(written, images, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(path))[:, :48], image)


def test_no_name_leads_out_of_the_folder(tmp_path, images, scored):
    folder = tmp_path / "run" / "overlays"
    names = ("cut/../../../a.png", "../../b.png", "/c.png", "../..", "cut/" + "d" * 300, "..\\e")
    write_overlays(folder, *_named(scored, images, *names))
    assert len(list(folder.rglob("*.png"))) == len(names)
    assert len(list(tmp_path.rglob("*.png"))) == len(names)


def test_a_link_in_the_folder_is_no_way_out(tmp_path, images, scored):
    (tmp_path / "data").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "data" / "0.png")
    before = (tmp_path / "data" / "0.png").read_bytes()
    folder = tmp_path / "overlays"
    folder.mkdir()
    (folder / "cut").symlink_to(tmp_path / "data")
    with pytest.raises(ValueError, match="leads out of"):
        write_overlays(folder, *_named(scored, images, "cut/0.png"))
    (folder / "cut").unlink()
    (folder / "cut").mkdir()
    (folder / "cut" / "0.png").symlink_to(tmp_path / "data" / "0.png")
    write_overlays(folder, *_named(scored, images, "cut/0.png"))
    assert (tmp_path / "data" / "0.png").read_bytes() == before


def test_overlays_are_bounded(tmp_path, images, scored, monkeypatch, capsys):
    monkeypatch.setattr(overlays, "OVERLAYS", 4)
    write_overlays(tmp_path, images, scored, np.array([17, 1]))
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png")}
    assert written == {scored.names[i] for i in (17, 1, 0, 2)}
    assert capsys.readouterr().out == "overlays: of 4 images; 16 are left out\n"
