import jax
import numpy as np
import pytest
from scipy import stats

from gaussft_jax.vicinity import cutout
from gaussft_jax.vicinity.cutout import draw_cutout

KEYS = jax.random.split(jax.random.key(11), 20_000)
P_VALUE = 1e-3


@pytest.mark.parametrize(("height", "width"), [(224, 224), (97, 97), (64, 80)])
def test_side_and_centre_are_uniform(height, width):
    draws = jax.jit(jax.vmap(lambda key: draw_cutout(key, height, width)))(KEYS)
    size = min(height, width)
    for values, low, high in (
        (draws.side, size // 16, size // 4),
        (draws.centre[:, 0], 0, height - 1),
        (draws.centre[:, 1], 0, width - 1),
    ):
        counts = np.bincount(np.asarray(values))
        assert len(counts) == high + 1 and not counts[:low].any()
        assert stats.chisquare(counts[low:]).pvalue > P_VALUE
    assert abs(np.corrcoef(np.asarray(draws.centre).T)[0, 1]) < 0.03


def test_the_mask_is_a_square_clipped_at_the_border(pictures, rng):
    picture = pictures(96, 128)[0]
    drawn, clipped = jax.jit(draw_cutout, static_argnums=(1, 2)), 0
    for key in jax.random.split(jax.random.key(rng.integers(2**31)), 40):
        side, (y, x) = map(np.asarray, drawn(key, 96, 128))
        expected = np.zeros((96, 128), bool)
        for row in range(y - side // 2, y - side // 2 + side):
            for column in range(x - side // 2, x - side // 2 + side):
                if 0 <= row < 96 and 0 <= column < 128:
                    expected[row, column] = True
        image, mask = map(np.asarray, cutout(key, picture))
        np.testing.assert_array_equal(mask, expected)
        np.testing.assert_array_equal(image[~expected], picture[~expected])
        clipped += expected.sum() < side**2
    assert 0 < clipped < 40


def test_the_square_has_the_mean_colour_and_is_what_changed():
    # Of two levels per channel the mean is neither, so every pixel of the square changes.
    picture = np.indices((64, 64)).sum(0)[..., None] % 2 * np.array([100, 200, 60]) + 11
    picture = picture.astype(np.uint8)
    for seed in range(10):
        image, mask = map(np.asarray, cutout(jax.random.key(seed), picture))
        np.testing.assert_array_equal((image != picture).any(-1), mask)
        np.testing.assert_array_equal(np.unique(image[mask], axis=0), [[61, 111, 41]])
