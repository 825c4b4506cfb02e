import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.path import Path
from scipy import stats

from gaussft_jax.vicinity import mixture, patch, scar, vicinity
from gaussft_jax.vicinity.cutpaste import draw_patch, draw_scar, pasted

KEYS = jax.random.split(jax.random.key(17), 20_000)
P_VALUE = 1e-3
PASTED = jax.jit(pasted)
SIZES = [(224, 224), (32, 32), (64, 96)]
SCHEMES = {"patch": (patch, draw_patch), "scar": (scar, draw_scar)}


def _draws(draw, height, width):
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(lambda key: draw(key, height, width)))(KEYS))


@pytest.fixture(params=SCHEMES)
def scheme(request):
    augment, draw = SCHEMES[request.param]
    return augment, jax.jit(draw, static_argnums=(1, 2))


@pytest.fixture
def coloured(rng):
    """Of a height and a width: an image in which every pixel has a colour of its own."""

    def image(height, width):
        numbers = rng.permutation(2**16)[: height * width].reshape(height, width)
        # Far enough from black and white that no jittered colour is cut off there.
        parts = (numbers // 256, numbers % 256, (numbers * 7) % 256)
        return np.stack([64 + part // 2 for part in parts], -1).astype(np.uint8)

    return image


@pytest.mark.parametrize(("height", "width"), [(224, 224), (32, 32)])
def test_area_and_aspect_of_a_patch_are_uniform_in_their_ranges(height, width):
    draws = _draws(draw_patch, height, width)
    area = draws.sides.prod(1) / (height * width)
    aspect = draws.sides[:, 0] / draws.sides[:, 1]
    assert stats.kstest(area, stats.uniform(0.02, 0.13).cdf).pvalue > P_VALUE
    flat = aspect < 1
    assert stats.binomtest(flat.sum(), len(flat)).pvalue > P_VALUE
    assert stats.kstest(aspect[flat], stats.uniform(0.3, 0.7).cdf).pvalue > P_VALUE
    assert stats.kstest(aspect[~flat], stats.uniform(1, 2.3).cdf).pvalue > P_VALUE
    assert not draws.angle.any()


@pytest.mark.parametrize("size", [224, 512])
def test_sides_and_angle_of_a_scar_are_uniform_and_scale(size):
    draws = _draws(draw_scar, size, size + 20)
    length, breadth = draws.sides.T * 256 / size
    assert stats.kstest(length, stats.uniform(10, 15).cdf).pvalue > P_VALUE
    assert stats.kstest(breadth, stats.uniform(2, 14).cdf).pvalue > P_VALUE
    assert stats.kstest(draws.angle, stats.uniform(-45, 90).cdf).pvalue > P_VALUE


def test_a_scar_of_a_small_image_has_a_pixel():
    draws = _draws(draw_scar, 32, 32)
    assert draws.sides.min() == 1 and draws.sides.max() <= 25 / 8


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("draw", [draw_patch, draw_scar])
def test_places_cover_the_image_and_jitter_is_uniform(draw, height, width):
    draws = _draws(draw, height, width)
    for place in (draws.source, draws.target):
        margin = place.min(0)
        assert (margin >= 0).all()
        # both ends are as far from the border, but for the rounding of a centre
        assert (np.abs(margin - (np.array([height, width]) - 1 - place.max(0))) <= 1).all()
    # Where it is pasted, the turned rectangle lies inside the image, and reaches the border.
    cos, sin = (np.abs(f(np.radians(draws.angle)))[:, None] for f in (np.cos, np.sin))
    reach = np.floor((cos * draws.sides + sin * draws.sides[:, ::-1]) / 2)
    outside = (draws.target < reach) | (draws.target + reach > np.array([height, width]) - 1)
    assert outside.mean() < 1e-3  # a reach within rounding of a whole pixel
    assert (draws.target == reach).any(0).all()
    for factor in draws.factors.T:
        assert stats.kstest(factor, stats.uniform(0.9, 0.2).cdf).pvalue > P_VALUE
    between = np.corrcoef(np.concatenate([draws.source, draws.target, draws.factors], 1).T)
    unrelated = between - np.eye(7)
    unrelated[:4, :4] = 0  # places depend on the sides
    assert np.abs(unrelated).max() < 0.03


def _rectangle(cut, height, width):
    """Pixels whose centre lies in the turned rectangle, by a polygon."""
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).reshape(-1, 2)
    angle = np.radians(float(cut.angle))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.asarray(cut.sides)[::-1] / 2
    inside = Path(corners @ turn + np.asarray(cut.target)[::-1]).contains_points(pixels)
    return inside.reshape(height, width)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_mask_is_the_turned_rectangle_inside_the_image(scheme, coloured, rng, height, width):
    augment, draw = scheme
    for key in jax.random.split(jax.random.key(rng.integers(2**31)), 10):
        cut = draw(key, height, width)
        _, mask = augment(key, coloured(height, width))
        mask = np.asarray(mask)
        # Nothing is lost at the border: the sides differ from the drawn by a pixel at most.
        sides, perimeter = np.asarray(cut.sides, float), 2 * float(cut.sides.sum())
        assert mask.any() and abs(mask.sum() - sides.prod()) <= perimeter / 2 + 1
        assert (mask != _rectangle(cut, height, width)).sum() <= 1 + perimeter / 50


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_mask_is_what_changed_up_to_equal_values(scheme, coloured, rng, height, width):
    picture = coloured(height, width)
    for key in jax.random.split(jax.random.key(rng.integers(2**31)), 10):
        image, mask = map(np.asarray, scheme[0](key, picture))
        assert image.dtype == np.uint8 and mask.dtype == bool
        changed = (image != picture).any(-1)
        assert not changed[~mask].any()
        assert changed.sum() >= 0.95 * mask.sum() - 1
    constant, mask = scheme[0](key, np.zeros_like(picture))
    assert not constant.any() and mask.any()  # pasted with equal value is pasted


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_without_jitter_the_cut_is_that_of_the_image(scheme, coloured, rng, height, width):
    picture = coloured(height, width)
    for key in jax.random.split(jax.random.key(rng.integers(2**31)), 10):
        cut = scheme[1](key, height, width)._replace(factors=jnp.ones(3))
        image, mask = map(np.asarray, PASTED(picture, cut))
        # The way back: turned clockwise about the target, then moved to the source.
        y, x = np.nonzero(mask)
        from_target = (x - int(cut.target[1])) - 1j * (y - int(cut.target[0]))
        turned = from_target * np.exp(-1j * np.radians(float(cut.angle)))
        exact = np.stack([int(cut.source[0]) - turned.imag, int(cut.source[1]) + turned.real])
        rows, columns = np.round(exact).astype(int)
        assert min(rows.min(), columns.min()) >= 0
        clear = (np.abs(exact % 1 - 0.5) > 1e-3).all(0)  # rounded alike in float32
        assert clear.any()
        np.testing.assert_array_equal(image[y, x][clear], picture[rows, columns][clear])


def test_colours_are_jittered_as_by_torchvision(coloured):
    # On a constant grey, contrast and saturation change nothing, and brightness scales.
    cut = draw_patch(jax.random.key(0), 64, 64)
    grey = np.full((64, 64, 3), 100, np.uint8)
    image, mask = PASTED(grey, cut._replace(factors=jnp.float32([1.1, 0.9, 1.1])))
    assert (np.asarray(image)[np.asarray(mask)] == 110).all()

    picture, (b, c, s) = coloured(64, 64), (0.93, 1.08, 0.91)
    plain, mask = PASTED(picture, cut._replace(factors=jnp.ones(3)))
    cut_out = np.asarray(plain)[np.asarray(mask)].astype(np.float64) * b
    luma = lambda x: x @ [0.299, 0.587, 0.114]
    cut_out = c * cut_out + (1 - c) * luma(cut_out).mean()
    cut_out = s * cut_out + (1 - s) * luma(cut_out)[:, None]
    image, _ = PASTED(picture, cut._replace(factors=jnp.float32([b, c, s])))
    assert np.abs(np.asarray(image)[np.asarray(mask)] - cut_out).max() <= 0.51
    white, mask = PASTED(np.full_like(grey, 250), cut._replace(factors=jnp.float32([1.1, 1, 1])))
    assert (np.asarray(white)[np.asarray(mask)] == 255).all()


def test_a_draw_depends_on_its_key_only(scheme, coloured):
    picture, key = jnp.asarray(coloured(48, 48)), jax.random.key(3)
    image, mask = scheme[0](key, picture)
    again, same = scheme[0](key, picture)
    np.testing.assert_array_equal(image, again)
    np.testing.assert_array_equal(mask, same)
    assert (scheme[0](jax.random.key(4), picture)[1] != mask).any()


def test_both_work_as_branches_of_a_switch_and_with_sixty_four_bits(coloured):
    picture, key = jnp.asarray(coloured(48, 48)), jax.random.key(3)
    images, masks = mixture([patch, scar])(key, picture)
    own_key = jax.random.split(key)[1]
    assert any((augment(own_key, picture)[0] == images).all() for augment in (patch, scar))
    with jax.enable_x64(True):
        wide, wide_masks = mixture([patch, scar])(key, picture)
    np.testing.assert_array_equal(images, wide)
    np.testing.assert_array_equal(masks, wide_masks)


def test_a_config_names_them_and_the_mixture_stays_the_papers(coloured):
    assert vicinity("patch") is patch and vicinity("scar") is scar
    picture = jnp.asarray(coloured(32, 32))
    papers = mixture([vicinity(name) for name in ("augmix", "cutout", "confetti")])
    for seed in range(8):
        key = jax.random.key(seed)
        np.testing.assert_array_equal(vicinity("all")(key, picture)[0], papers(key, picture)[0])
