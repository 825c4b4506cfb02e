"""PatchCore against a naive one in float64."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, uniform_filter, zoom
from scipy.spatial.distance import cdist

from gaussft_jax import methods
from gaussft_jax.methods.patchcore import patches

SIZES = (32, 32, 16, 8, 4, 4, 2)
CHANNELS = (2, 3, 4, 5, 6, 7, 8)


@pytest.fixture
def levels():
    """A function that draws the levels of n images, seven levels of five resolutions."""
    rng = np.random.default_rng(0)  # no two patches are as far but for a rounding

    def draw(n):
        return tuple(
            rng.normal(2, 1, (n, s, s, c)).astype(np.float32)
            for s, c in zip(SIZES, CHANNELS, strict=True)
        )

    return draw


def _batches(levels, size=4):
    """Two batches, the second filled up with images of huge values."""
    missing = 2 * size - len(levels[0])
    filled = [np.concatenate([x, np.full_like(x[:missing], 1e3)]) for x in levels]
    valid = np.arange(2 * size) < len(levels[0])
    return lambda: (
        (tuple(jnp.asarray(x[i : i + size]) for x in filled), valid[i : i + size])
        for i in (0, size)
    )


def _device(levels):
    return tuple(map(jnp.asarray, levels))


def _patches(levels):
    fine, coarse = (
        uniform_filter(levels[i].astype(np.float64), (0, 3, 3, 0), mode="constant") for i in (3, 5)
    )
    enlarged = zoom(coarse, (1, 2, 2, 1), order=1, mode="nearest", grid_mode=True)
    return np.concatenate([fine, enlarged], -1)


def _bank(rows, count, first):
    chosen, distances = [first], cdist(rows, rows[[first]])[:, 0]
    while len(chosen) < count:
        chosen.append(int(distances.argmax()))
        distances = np.minimum(distances, cdist(rows, rows[chosen[-1:]])[:, 0])
    return rows[chosen]


def test_patches_are_averaged_enlarged_and_side_by_side(levels):
    x = levels(3)
    np.testing.assert_allclose(patches(_device(x)), _patches(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("neighbours", [1, 9])
@pytest.mark.parametrize("fraction", [0.1, 0.001, 0.5])
def test_distances_scores_and_maps(levels, fraction, neighbours):
    training, queries = levels(6), levels(3)
    method = methods.PatchCore(fraction=fraction, neighbours=neighbours)
    references = method.fit(_batches(training))
    rows = _patches(training).reshape(6 * 64, 12)
    first = cdist(rows, np.asarray(references.patches[:1])).argmin()
    bank = _bank(rows, max(1, round(fraction * len(rows))), first)
    np.testing.assert_allclose(references.patches, bank, rtol=1e-5, atol=1e-5)

    asked = _patches(queries).reshape(3, 64, 12)
    distances = np.stack([cdist(image, bank).min(1) for image in asked])
    maps = method.level_maps(references, _device(queries))
    np.testing.assert_allclose(maps[0], distances.reshape(3, 8, 8), rtol=1e-4)

    expected = distances.max(1)
    if neighbours > 1:
        for i, image in enumerate(asked):
            to_bank = cdist(image[[distances[i].argmax()]], bank)[0]
            around = np.argsort(cdist(bank[[to_bank.argmin()]], bank)[0])[:neighbours]
            expected[i] *= 1 - np.exp(to_bank.min()) / np.exp(to_bank[around]).sum()
    scores = method.level_scores(references, _device(queries), maps)
    np.testing.assert_allclose(scores, expected[:, None], rtol=1e-3, atol=1e-5)

    enlarged = zoom(distances.reshape(3, 8, 8), (1, 7, 7), order=1, mode="nearest", grid_mode=True)
    expected = gaussian_filter(enlarged, 1.0, axes=(1, 2))  # 4 px at 224 are 1 px at 56
    np.testing.assert_allclose(method.anomaly_map(maps, 56), expected, rtol=1e-3)


@pytest.mark.parametrize("fraction", [0.0, 1.5])
def test_a_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(ValueError, match="patchcore_fraction"):
        methods.PatchCore(fraction=fraction)
