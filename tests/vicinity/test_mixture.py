import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from gaussft_jax.lowering import one_form
from gaussft_jax.vicinity import augmix, draw, mixture, vicinity

NAMES = ["augmix", "cutout", "confetti"]


@pytest.fixture
def batch(pictures):
    return jnp.stack(pictures(48, 48) * 3)  # enough for a mixture to draw every scheme


def test_every_scheme_is_as_probable():
    def constant(value):
        return lambda _, image: (jnp.full_like(image, value), jnp.ones(image.shape[:2], bool))

    augment = mixture([constant(value) for value in (1, 2, 3)])
    keys = jax.random.split(jax.random.key(5), 20_000)
    images, _ = jax.vmap(augment, (0, None))(keys, jnp.zeros((1, 1, 3), jnp.uint8))
    assert stats.chisquare(np.bincount(np.asarray(images)[:, 0, 0, 0])[1:]).pvalue > 1e-3


def test_the_mixture_is_one_of_the_schemes(batch):
    seen = set()
    for key in jax.random.split(jax.random.key(5), 20):
        image, mask = vicinity("all")(key, batch[0])
        own_key = jax.random.split(key)[1]
        for name in NAMES:
            of_scheme, mask_of_scheme = vicinity(name)(own_key, batch[0])
            if (of_scheme == image).all() and (mask_of_scheme == mask).all():
                seen.add(name)
                break
        else:
            pytest.fail("a draw of no scheme")
    assert seen == set(NAMES)


def test_the_severity_reaches_augmix(batch):
    key = jax.random.key(1)
    image, _ = vicinity("augmix", 9.0)(key, batch[0])
    np.testing.assert_array_equal(image, augmix(key, batch[0], severity=9.0)[0])
    assert (image != vicinity("augmix")(key, batch[0])[0]).any()


def test_a_draw_depends_on_its_key_only(batch, rng):
    augment, key = vicinity("all"), jax.random.key(rng.integers(2**31))
    images, masks = draw(key, batch, augment)
    assert images.shape == batch.shape and masks.shape == batch.shape[:3]
    fewer, fewer_masks = draw(key, batch[:5], augment)
    np.testing.assert_array_equal(fewer, images[:5])
    np.testing.assert_array_equal(fewer_masks, masks[:5])
    assert (draw(jax.random.fold_in(key, 1), batch, augment)[0] != images).any()
    twins, _ = draw(key, batch[jnp.zeros(len(batch), int)], augment)
    assert (twins[0] != twins[1:]).any()


def test_images_that_are_not_chosen_stay(batch, rng):
    augment, key = vicinity("all"), jax.random.key(rng.integers(2**31))
    chosen = rng.permutation(np.arange(len(batch)) % 2 == 0)
    images, masks = draw(key, batch, augment, jnp.asarray(chosen))
    of_all, masks_of_all = draw(key, batch, augment)
    np.testing.assert_array_equal(images[chosen], of_all[chosen])
    np.testing.assert_array_equal(masks[chosen], masks_of_all[chosen])
    np.testing.assert_array_equal(images[~chosen], batch[~chosen])
    assert not masks[~chosen].any()


@pytest.mark.parametrize("name", ["all", "scar"])
def test_together_the_draws_are_the_same(batch, rng, name):
    """As off the CPU; some of the images stay as they are."""
    augment, key = vicinity(name), jax.random.key(rng.integers(2**31))
    chosen = jnp.asarray(rng.permutation(np.arange(len(batch)) % 3 > 0))
    expected, masks = draw(key, batch, augment, chosen)
    with one_form(True):  # that of the other platforms
        together, side_masks = jax.jit(draw, static_argnums=2)(key, batch, augment, chosen)
    # Another order of operations may round a grey level the other way.
    difference = np.abs(together.astype(int) - expected.astype(int))
    assert (difference <= 1).mean() > 0.995 and (side_masks == masks).mean() > 0.995
    np.testing.assert_array_equal(together[~chosen], batch[~chosen])


def test_draws_work_inside_a_scan(batch, rng):
    augment, key = vicinity("all"), jax.random.key(rng.integers(2**31))

    def step(key, images):
        key, now = jax.random.split(key)
        return key, draw(now, images, augment)

    scanned, _ = jax.jit(lambda key, x: jax.lax.scan(step, key, x)[1])(key, batch[None])
    expected, _ = draw(jax.random.split(key)[1], batch, augment)
    np.testing.assert_array_equal(scanned[0], expected)


def test_sixty_four_bits_change_nothing(batch, rng):
    key = jax.random.key(rng.integers(2**31))
    images, masks = draw(key, batch, vicinity("all"))
    with jax.enable_x64(True):
        wide_images, wide_masks = draw(key, batch, vicinity("all"))
    np.testing.assert_array_equal(images, wide_images)
    np.testing.assert_array_equal(masks, wide_masks)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"'cutmix'.*augmix, cutout, confetti, all"):
        vicinity("cutmix")


@pytest.mark.parametrize("severity", [0.1, 10.5, float("nan")])
def test_a_severity_out_of_range_is_refused(severity):
    with pytest.raises(ValueError, match="severity"):
        vicinity("augmix", severity)
