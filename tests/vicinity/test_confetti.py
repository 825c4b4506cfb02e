import jax
import numpy as np
import pytest
from matplotlib.path import Path
from scipy import ndimage, stats

from gaussft_jax.vicinity import confetti
from gaussft_jax.vicinity.confetti import draw_confetti, noise_image

KEYS = jax.random.split(jax.random.key(13), 20_000)
P_VALUE = 1e-3
NOISE = jax.jit(noise_image, static_argnums=(1, 2))


@pytest.fixture(scope="module")
def draws():
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(draw_confetti))(KEYS))


@pytest.mark.parametrize(("layer", "probability"), [(0, 1.8e-5), (1, 1.2e-5)])
def test_blob_counts_are_binomial_over_the_pixels_without_zero(draws, layer, probability):
    count = draws.count[:, layer]
    assert count.min() == 1
    binomial = stats.binom(240 * 240, probability)
    expected = np.array([*binomial.pmf([1, 2, 3]), binomial.sf(3)]) / binomial.sf(0)
    seen = [*(np.sum(count == k) for k in (1, 2, 3)), np.sum(count > 3)]
    assert stats.chisquare(seen, expected * len(count)).pvalue > P_VALUE
    # what the cut at 8 blobs leaves out
    assert binomial.sf(8) / binomial.sf(0) < 3e-6


def test_sides_angles_and_centres_are_uniform(draws):
    assert stats.chisquare(np.bincount(draws.sides.ravel(), minlength=55)[8:]).pvalue > P_VALUE
    assert draws.sides.min() == 8 and draws.sides.max() == 54
    assert stats.kstest(draws.angles[:, 0], stats.uniform(-45, 90).cdf).pvalue > P_VALUE
    for centre in draws.centres[:, 0].T:
        assert stats.kstest(centre, "uniform").pvalue > P_VALUE


def test_colours_are_uniform_in_the_coloured_layer_and_dark_in_the_other(draws):
    coloured = np.arange(16) < draws.count[:, :1]
    values = draws.colours[coloured]
    assert values.min() == -256 and values.max() == -1
    assert stats.chisquare(np.bincount(-values.ravel(), minlength=257)[1:]).pvalue > P_VALUE
    assert abs(np.corrcoef(values.T)[0, 1]) < 0.03
    assert (draws.colours[~coloured] == -255).all()


def _expected_noise(draw, height, width):
    """Polygons for the squares, SciPy for the blur."""
    scale = min(height, width) / 240
    centres = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).reshape(-1, 2) + 0.5
    noise = np.zeros((height, width, 3))
    for i in range(draw.count.sum()):
        angle = np.radians(float(draw.angles[i]))
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * draw.sides[i] * scale / 2
        y, x = draw.centres[i] * np.array([height, width])
        square = Path(corners @ turn + np.array([x, y])).contains_points(centres)
        noise += square.reshape(height, width, 1) * np.asarray(draw.colours[i])
    return ndimage.gaussian_filter(
        noise, 5 * scale, radius=round(12 * scale), axes=(0, 1), mode="mirror"
    )


@pytest.mark.parametrize(("height", "width"), [(240, 240), (97, 97), (96, 140)])
def test_the_noise_is_a_sum_of_blurred_squares(rng, height, width):
    for _ in range(5):
        draw = draw_confetti(jax.random.key(rng.integers(2**31)))
        ours = np.asarray(NOISE(draw, height, width))
        expected = _expected_noise(draw, height, width)
        assert (np.abs(ours - expected).max(-1) <= 1.01).mean() >= 0.995
        assert (ours == np.round(ours)).all() and ours.max() == 0


def test_the_noise_scales_with_the_image(rng):
    draw = draw_confetti(jax.random.key(rng.integers(2**31)))
    small, large = (float(NOISE(draw, s, s).sum()) for s in (120, 360))
    assert large / small == pytest.approx(9, rel=0.1)


def test_the_mask_is_what_changed(pictures, rng):
    for picture in pictures(97, 97):
        image, mask = confetti(jax.random.key(rng.integers(2**31)), picture)
        np.testing.assert_array_equal(mask, np.asarray(image != picture).any(-1))
        assert 0 < mask.mean() < 1


def test_a_bright_image_gets_the_noise_and_a_black_one_its_negative(rng):
    key = jax.random.key(rng.integers(2**31))
    noise = np.asarray(NOISE(draw_confetti(key), 96, 96)).astype(int)
    bright, black = np.full((96, 96, 3), 200, np.uint8), np.zeros((96, 96, 3), np.uint8)
    np.testing.assert_array_equal(confetti(key, bright)[0], np.maximum(200 + noise, 0))
    np.testing.assert_array_equal(confetti(key, black)[0], np.minimum(-noise, 255))


def test_the_noise_is_negated_below_a_mean_change_of_a_fortieth():
    picture = np.zeros((96, 96, 3), np.uint8)
    picture[:40] = 1  # so that some draws change enough of it and some do not
    negated = []
    for seed in range(40):
        key = jax.random.key(seed)
        change = np.minimum(picture, -NOISE(draw_confetti(key), 96, 96)).mean()
        image, _ = confetti(key, picture)
        assert (image.max() > 1) == (change < 0.025)
        negated.append(change < 0.025)
    assert 5 < sum(negated) < 35
