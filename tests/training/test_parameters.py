import jax
import numpy as np
import pytest

from gaussft_jax.training.parameters import join, split


@pytest.mark.parametrize("trainable", ["all", "affine", "level 3", "level 8"])
def test_join_undoes_split(tiny, trainable):
    _, variables = tiny
    jax.tree.map(np.testing.assert_array_equal, join(*split(variables, trainable)), variables)


def test_what_is_tuned(tiny):
    _, variables = tiny
    everything, statistics = split(variables, "all")
    assert all(path.startswith("batch_stats/") for path in statistics)
    affine, _ = split(variables, "affine")
    assert set(affine) == {p for p in everything if p.endswith(("norm/scale", "norm/bias"))}
    late, _ = split(variables, "level 6")
    modules = {path.split("/")[1] for path in late}
    assert modules == {"stage6_block0", "stage7_block0", "head"}
    assert split(variables, "level 0")[0].keys() == everything.keys()


def test_an_unknown_word_is_refused(tiny):
    with pytest.raises(ValueError, match="'some'; choose all, affine"):
        split(tiny[1], "some")
