import jax.numpy as jnp
import numpy as np
from PIL import Image

from gaussft_jax import gaussian as g


def test_image_score(rng):
    maps = tuple(rng.random((3, s, s)).astype(np.float32) for s in (8, 4, 1))
    by_max = np.mean([m.max((1, 2)) for m in maps], 0)
    by_mean = np.mean([m.mean((1, 2)) for m in maps], 0)
    np.testing.assert_allclose(g.image_score(maps), by_max, rtol=1e-6)
    np.testing.assert_allclose(g.image_score(maps, "mean"), by_mean, rtol=1e-6)


def test_anomaly_map_is_the_mean_of_bilinear_upsamplings(rng):
    maps = tuple(rng.random((2, s, s)).astype(np.float32) for s in (14, 7, 14, 3))
    expected = [
        np.mean(
            [Image.fromarray(m[i]).resize((30, 30), Image.Resampling.BILINEAR) for m in maps], 0
        )
        for i in range(2)
    ]
    np.testing.assert_allclose(g.anomaly_map(maps, 30), expected, atol=1e-5)


def test_level_weights_give_each_level_the_same_spread(rng):
    scores = (rng.random((50, 4)) * [1, 10, 100, 0.1] + 7).astype(np.float32)
    weights = np.asarray(g.level_weights(scores))
    np.testing.assert_allclose(weights.mean(), 1, rtol=1e-5)
    spread = (weights * scores).std(0)
    np.testing.assert_allclose(spread, spread.mean(), rtol=1e-4)


def test_a_level_that_never_changes_weighs_nothing(rng):
    scores = np.stack([rng.random(9), np.full(9, 3)], 1).astype(np.float32)
    np.testing.assert_allclose(g.level_weights(scores), [2, 0])
    np.testing.assert_allclose(g.level_weights(scores[:1]), [1, 1])  # one image has no spread


def test_weights_of_the_levels(rng):
    maps = tuple(rng.random((3, s, s)).astype(np.float32) for s in (8, 4, 1))
    weights = np.float32([0.5, 2, 0.5])
    expected = np.mean([w * m.max((1, 2)) for w, m in zip(weights, maps, strict=True)], 0)
    np.testing.assert_allclose(g.image_score(maps, weights=weights), expected, rtol=1e-6)
    alone = [g.anomaly_map((m,), 12) for m in maps]
    expected = np.mean([w * m for w, m in zip(weights, alone, strict=True)], 0)
    np.testing.assert_allclose(g.anomaly_map(maps, 12, weights), expected, rtol=1e-5)


def test_smaller_maps_are_means_of_what_each_location_covers(rng):
    level = jnp.asarray(rng.random((2, 33, 50, 3)), jnp.float32)
    found = g.enlarge(level, 8, 40)
    for i, channel in np.ndindex(2, 3):
        image = Image.fromarray(np.asarray(level[i, :, :, channel]))
        expected = image.resize((40, 8), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(found[i, :, :, channel], expected, atol=1e-5)
