import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaussft_jax import gaussian as g
from gaussft_jax.gaussian import moments


def _stream(features, sizes):
    """`features` in batches of the given sizes, each padded by two invalid images of NaN."""
    for part in np.split(features, np.cumsum(sizes)[:-1]):
        padding = np.full((2, *part.shape[1:]), np.nan, np.float32)
        yield np.concatenate([part, padding]), np.array([True] * len(part) + [False] * 2)


def _moments(features, sizes, kind):
    first = second = None
    for batch, valid in _stream(features, sizes):
        part = g.means(np.nan_to_num(batch), valid, kind=kind)
        first = part if first is None else g.merge(first, part)
    mean = first.mean
    for batch, valid in _stream(features, sizes):
        part = g.residuals(batch, valid, mean, kind=kind)
        second = part if second is None else g.merge(second, part)
    return first, second


@pytest.mark.parametrize("kind", ["tied", "global", "local"])
def test_moments_are_the_same_for_every_split(rng, kind):
    features = (rng.normal(size=(7, 3, 2, 5)) + 100).astype(np.float32)
    whole = _moments(features, [7], kind)
    for sizes in ([1, 6], [3, 3, 1], [1] * 7):
        parts = _moments(features, sizes, kind)
        for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(parts), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["tied", "global", "local"])
def test_moments_equal_numpy(rng, kind):
    features = (rng.normal(size=(6, 3, 2, 4)) * 3 + 50).astype(np.float32)
    first, second = _moments(features, [4, 2], kind)
    x = features.astype(np.float64)
    mean = x.mean((0, 1, 2)) if kind == "global" else x.mean(0)
    r = x - mean
    subscripts = "nhwc,nhwd->hwcd" if kind == "local" else "nhwc,nhwd->cd"
    fourth = (r**2).sum(-1) ** 2
    np.testing.assert_allclose(np.asarray(first.total) / float(first.count), mean, rtol=1e-12)
    np.testing.assert_allclose(second.gram, np.einsum(subscripts, r, r), rtol=1e-9, atol=1e-9)
    expected = fourth.sum(0) if kind == "local" else fourth.sum()
    np.testing.assert_allclose(second.fourth, expected, rtol=1e-9)
    assert float(second.count) == (6 if kind == "local" else 36)


@pytest.mark.parametrize("kind", ["tied", "global", "local"])
def test_without_float64_the_cpu_of_the_host_sums(rng, kind, monkeypatch):
    features = (rng.normal(size=(5, 3, 2, 4)) + 100).astype(np.float32)
    expected = _moments(jnp.asarray(features), [2, 3], kind)
    monkeypatch.setattr(moments, "_WITH_FLOAT64", ("a platform",))
    found = _moments(jnp.asarray(features), [2, 3], kind)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)
        # Nothing that is computed of them goes back to the device.
        assert a.committed and a.devices() == {jax.devices("cpu")[0]}
    for a, b in zip(map(g.total, found), map(g.total, expected), strict=True):
        jax.tree.map(np.testing.assert_array_equal, a, b)


@settings(deadline=None, max_examples=20)
@given(
    n=st.integers(1, 5), h=st.integers(1, 4), w=st.integers(1, 4), c=st.integers(1, 6),
    kind=st.sampled_from(["tied", "global", "local"]),
)  # fmt: skip
def test_shapes(n, h, w, c, kind):
    features = jnp.ones((n, h, w, c))
    first = g.means(features, jnp.ones(n, bool), kind=kind)
    second = g.residuals(features, jnp.ones(n, bool), first.total, kind=kind)
    assert first.total.shape == ((c,) if kind == "global" else (h, w, c))
    assert second.gram.shape == ((h, w, c, c) if kind == "local" else (c, c))
    assert second.fourth.shape == ((h, w) if kind == "local" else ())
    assert first.total.dtype == second.gram.dtype == np.float64
