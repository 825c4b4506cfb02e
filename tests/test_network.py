"""Any number of images in few compilations, and a few at a time where that is faster."""

import jax
import numpy as np
import pytest

from gaussft_jax import methods, network
from gaussft_jax.network import Network, few_at_a_time, images_at_once
from gaussft_jax.scoring import Scorer, judge


def test_two_compilations_serve_any_number_of_images(tiny, rng):
    backbone, variables = tiny
    images = rng.integers(0, 256, (20, 32, 32, 3), np.uint8)
    method = methods.create("deep_svdd")
    references = Scorer(backbone, method).fit(variables, images)
    net = Network(backbone, variables)
    whole = net.apply(judge, method, images, (references,), None)
    for n in range(1, 21):
        scores, maps, _ = net.apply(judge, method, images[:n], (references,), None)
        np.testing.assert_allclose(scores, whole[0][:n], rtol=1e-5)
        np.testing.assert_allclose(maps, whole[1][:n], rtol=1e-4, atol=1e-4)
    assert network._of_images(backbone, judge, method)._cache_size() <= 2


def test_equal_methods_share_their_compilations(tiny, rng):
    backbone, variables = tiny
    images = rng.integers(0, 256, (4, 32, 32, 3), np.uint8)
    net = Network(backbone, variables)
    for _ in range(2):
        method = methods.create("deep_svdd", svdd_norm="l2")
        references = Scorer(backbone, method).fit(variables, images)
        net.apply(judge, method, images, (references,), None)
    assert network._of_images(backbone, judge, method)._cache_size() == 1


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="only a CPU takes a few at a time")
def test_a_few_at_a_time_changes_nothing(tiny, rng):
    assert [images_at_once(8, size) for size in (64, 112, 160, 224, 320)] == [8, 8, 2, 2, 1]
    assert images_at_once(8, 224, gradient=True) == 1
    assert images_at_once(3, 224) == 1
    backbone, variables = tiny[0], jax.device_put(tiny[1])
    images = rng.integers(0, 256, (8, 160, 160, 3), np.uint8)
    valid = np.arange(8) < 5

    def levels(images):
        return backbone.levels(variables, images)

    expected = jax.jit(levels)(images)
    parts = jax.jit(lambda x, valid: few_at_a_time(levels, x, valid))(images, valid)
    for level, whole in zip(parts, expected, strict=True):
        scale = np.abs(whole).max()
        np.testing.assert_allclose(level[:5], whole[:5], atol=1e-5 * scale)
        # The step of the last real image is computed whole, the next is not.
        assert np.abs(level[5]).max() > 0 and not np.any(level[6:])
