import jax
import numpy as np
import pytest

from gaussft_jax.training.parameters import join, split


@pytest.mark.parametrize("trainable", ["all", "affine", "level 2", "level 4"])
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


def test_an_unknown_word_is_refused(tiny):
    with pytest.raises(ValueError, match="'some'; choose all, affine"):
        split(tiny[1], "some", tiny[0].module.first_level)
