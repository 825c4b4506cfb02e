import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.serialization import to_state_dict
from scipy import ndimage

from gaussft_jax import methods
from gaussft_jax.detector.set_up import SetUp

SHAPES = ((16, 16, 4), (8, 8, 5), (8, 8, 6), (4, 4, 7), (2, 2, 8), (1, 1, 9))
OPTIONS = {"ensemble_members": "gaussian,gaussian_ad,patchcore", "patchcore_most": 60}


def _levels(rng, n, scale=1.0):
    return tuple(jnp.asarray(rng.normal(scale=scale, size=(n, *s)), jnp.float32) for s in SHAPES)


def _batches(levels, size=8):
    """Two batches of four images each, the last filled up by what is not to be looked at."""
    n = len(levels[0])

    def stream():
        for start in range(0, n, size):
            rows = [level[start : start + size] for level in levels]
            real = len(rows[0])
            fill = [(0, size - real), *[(0, 0)] * 3]
            yield (
                tuple(jnp.pad(level, fill, constant_values=1e3) for level in rows),
                np.arange(size) < real,
            )

    return stream


def _without_every_fifth(levels):
    n = len(levels[0])
    kept = np.arange(n) % 5 != 4
    return tuple(level[kept] for level in levels), tuple(level[~kept] for level in levels)


def test_scores_and_maps_are_those_of_the_equations(rng):
    """Of members fitted by themselves, in float64, by loops; SciPy enlarges and smooths."""
    training, queries = _levels(rng, 34), _levels(rng, 3, 1.5)
    ensemble = methods.create("ensemble", **OPTIONS)
    references = ensemble.fit(_batches(training))
    maps = ensemble.level_maps(references, queries)
    scores = np.asarray(ensemble.level_scores(references, queries, maps))
    anomaly = np.asarray(ensemble.anomaly_map(maps, 32))

    fitted, held_out = _without_every_fifth(training)
    expected_map = np.zeros((3, 32, 32))
    for column, member in enumerate(ensemble.members):

        def looked(levels, own, member=member):
            found = member.level_maps(own, levels)
            return (
                np.asarray(member.level_scores(own, levels, found), np.float64),
                [np.asarray(level, np.float64) for level in found],
            )

        good, good_maps = looked(held_out, member.fit(_batches(fitted)))
        query, query_maps = looked(queries, member.fit(_batches(training)))
        weights = good.std(0) ** -0.5
        good, query = good @ weights, query @ weights
        z = (query - good.mean()) / good.std()
        np.testing.assert_allclose(scores[:, column], np.log1p(np.exp(3 * z)) / 3, rtol=2e-3)

        sides = [level.shape[1] for level in good_maps]
        ends = (min(sides), max(sides)) if len(set(sides)) > 2 else ()
        halves = [0.5 if side in ends else 1 for side in sides]
        for half, good_map, query_map in zip(halves, good_maps, query_maps, strict=True):
            if query_map.shape[1:] != (1, 1):
                scaled = half / sum(halves) * query_map / good_map.std()
                expected_map += _enlarged(scaled, 32)
    expected_map = ndimage.gaussian_filter(expected_map, 4, axes=(1, 2), mode="reflect")
    # As many maps as have more than one location share the mean.
    np.testing.assert_allclose(anomaly * 6, expected_map, rtol=2e-3)


def _enlarged(maps, size):
    places = [(np.arange(size) + 0.5) * side / size - 0.5 for side in maps.shape[1:]]
    grid = np.meshgrid(*places, indexing="ij")
    return np.stack([ndimage.map_coordinates(m, grid, order=1, mode="nearest") for m in maps])


def test_every_fifth_image_standardises_and_all_are_fitted_to(rng):
    training = _levels(rng, 20)
    ensemble = methods.create("ensemble", **OPTIONS)
    (fitted, standards), (others, of_others) = (
        zip(*ensemble.fit(_batches(levels)), strict=True)
        for levels in (training, tuple(level.at[4::5].multiply(3.0) for level in training))
    )
    for member, references, other, standard, of_other in zip(
        ensemble.members, fitted, others, standards, of_others, strict=True
    ):
        jax.tree.map(np.testing.assert_array_equal, references, member.fit(_batches(training)))
        assert of_other.mean > standard.mean
        assert any(
            not np.array_equal(a, b)
            for a, b in zip(jax.tree.leaves(references), jax.tree.leaves(other), strict=True)
        )


def test_what_is_kept_is_not_fitted_again(rng):
    first, second = _levels(rng, 15), _levels(rng, 15)
    ensemble = methods.create("ensemble", **OPTIONS)
    kept = ensemble.members[0].fit(_batches(first))
    assert ensemble.tuned_member == ensemble.members[0]
    (references, standard), *others = ensemble.fit(
        _batches(second), kept={ensemble.members[0]: kept}
    )
    assert references is kept
    alone = ensemble.fit(_batches(second))
    for a, b in zip(others, alone[1:], strict=True):
        jax.tree.map(np.testing.assert_array_equal, a, b)
    assert not np.array_equal(standard.mean, alone[0][1].mean)


def test_a_member_that_finds_nothing_hides_nothing(rng):
    """However usual an image is to one member, what another finds counts."""
    training, good = _levels(rng, 40), _levels(rng, 1)
    ensemble = methods.create("ensemble", **OPTIONS)
    references = ensemble.fit(_batches(training))
    bad = (good[0].at[0, 3, 3].add(9.0), *good[1:])
    usual, found = (
        np.asarray(
            ensemble.level_scores(references, levels, ensemble.level_maps(references, levels))
        )
        for levels in (good, bad)
    )
    assert found[0, 0] > usual[0, 0] + 1
    assert (found > 0).all() and (found[0] >= usual[0] - 0.3).all()


def test_references_survive_a_folder(rng):
    ensemble = methods.create("ensemble", **OPTIONS)
    references = ensemble.fit(_batches(_levels(rng, 12)))
    restored = ensemble.restored(to_state_dict(references))
    assert jax.tree.structure(restored) == jax.tree.structure(references)
    jax.tree.map(np.testing.assert_array_equal, restored, references)


def test_options_are_those_of_the_members():
    ensemble = methods.create("ensemble", ensemble_members="padim,patchcore", padim_channels=7)
    assert [member.name for member in ensemble.members] == ["padim", "patchcore"]
    assert ensemble.members[0].channels == 7
    assert methods.create("ensemble", **methods.options_of(ensemble)) == ensemble
    assert methods.flags("ensemble", "padim,spade") == (
        "ensemble_members", "aggregation", "padim_channels", "padim_seed", "spade_neighbours"
    )  # fmt: skip
    for members, reason in (
        ("padim,svm", "unknown method 'svm'"),
        ("", "unknown method ''"),
        ("padim,ensemble", "an ensemble is no member of one"),
    ):
        with pytest.raises(ValueError, match=reason):
            methods.create("ensemble", ensemble_members=members)
    with pytest.raises(ValueError, match="has no option gaussian; it has: ensemble_members, agg"):
        methods.create("ensemble", ensemble_members="padim", gaussian="tied")


def test_too_few_images_are_refused(rng):
    with pytest.raises(ValueError, match="at least 5 good images"):
        methods.create("ensemble", **OPTIONS).fit(_batches(_levels(rng, 4)))


@pytest.mark.parametrize("n", [25, 26, 28, 29])
def test_all_copies_of_an_image_are_held_out_or_none(n):
    """In whatever direction, a copy of what is fitted to standardises nothing."""
    images = np.zeros((n, 2, 2, 3), np.uint8)
    images[:] = np.arange(n)[:, None, None, None]
    images[:, 0, 0, 0] = 200  # tells the directions apart
    plan = SetUp(methods.create("patchcore"), any_direction=True)
    copies = plan.fitted(images)
    assert len(copies) == plan.count(n)
    held_out = np.arange(len(copies)) % 5 == 4
    numbers = copies[..., 1].max((1, 2))
    assert set(numbers) == set(range(n))
    assert not set(numbers[held_out]) & set(numbers[~held_out])
    corners = np.stack([np.argmax(copy[..., 0].ravel() == 200) for copy in copies])
    for number in range(n):
        assert set(corners[numbers == number]) == {0, 1, 2, 3}
