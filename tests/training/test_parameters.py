import jax
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from gaussft_jax.training.parameters import join, split


@pytest.mark.parametrize("trainable", ["all", "affine", "level 2", "level 4", "adapters"])
def test_join_undoes_split(tiny, trainable):
    backbone, variables = tiny
    jax.tree.map(
        np.testing.assert_array_equal,
        join(*split(variables, trainable, backbone.module.first_level)),
        variables,
    )


def test_what_is_tuned(tiny):
    backbone, variables = tiny
    everything, statistics = split(variables, "all", backbone.module.first_level)
    assert all(path.startswith("batch_stats/") for path in statistics)
    affine, _ = split(variables, "affine", backbone.module.first_level)
    assert set(affine) == {p for p in everything if p.endswith(("norm/scale", "norm/bias"))}
    late, _ = split(variables, "level 3", backbone.module.first_level)
    modules = {path.split("/")[1] for path in late}
    assert modules == {"stage3_block0", "stage3_block1", "head"}
    assert split(variables, "level 0", backbone.module.first_level)[0].keys() == everything.keys()


def test_adapters_stand_beside_all_that_join_channels(tiny):
    backbone, variables = tiny
    adapters, fixed = split(variables, "adapters", backbone.module.first_level)
    shapes = {path.removeprefix("adapters/params/"): x.shape for path, x in adapters.items()}
    assert shapes["stem/conv/kernel"] == (3, 8)
    assert shapes["stage3_block0/expand/conv/kernel"] == (8, 16)
    assert not any("depthwise" in path or "squeeze" in path for path in shapes)
    assert len(shapes) == 2 + 4 + 2  # stem and head, what projects, what expands
    assert not any(x.any() for x in adapters.values())
    assert unflatten_dict(fixed, sep="/") == variables


@pytest.mark.parametrize(("side", "stride"), [(1, 1), (3, 1), (3, 2), (7, 2)])
def test_an_adapter_is_a_convolution_beside_that_of_the_kernel(rng, side, stride):
    x, adapter = rng.normal(size=(9, 9, 4)), rng.normal(size=(4, 5))
    kernel = rng.normal(size=(side, side, 4, 5))
    of_network = kernel[0, 0] if side == 1 else kernel
    path = "params/stem/conv/kernel"
    joined = join({f"adapters/{path}": adapter}, {path: of_network})
    both = np.reshape(joined["params"]["stem"]["conv"]["kernel"], kernel.shape)
    beside = x[::stride, ::stride] @ adapter
    expected = _convolved(x, kernel, stride) + beside
    np.testing.assert_allclose(_convolved(x, both, stride), expected, rtol=1e-5, atol=1e-5)


def _convolved(x, kernel, stride):
    """Padded by half a kernel on every side."""
    half = len(kernel) // 2
    padded = np.pad(x, ((half, half), (half, half), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2], (0, 1))
    return np.einsum("pqiab,abio->pqo", windows[::stride, ::stride], kernel)


def test_an_unknown_word_is_refused(tiny):
    with pytest.raises(ValueError, match="'some'; choose all, affine"):
        split(tiny[1], "some", tiny[0].module.first_level)


def test_a_network_with_nothing_to_tune_is_refused():
    variables = {"params": {"0.kernels.0": np.zeros((3, 3, 3, 6))}}
    for trainable in ("affine", "adapters"):
        with pytest.raises(ValueError, match=f"'{trainable}' leaves nothing to tune"):
            split(variables, trainable, len)
