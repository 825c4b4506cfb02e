"""Autoencoders and what is learnt with them, against NumPy one image and one term at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.serialization import to_state_dict
from jax import lax
from numpy.lib.stride_tricks import sliding_window_view
from scipy.integrate import quad
from scipy.stats import norm

from gaussft_jax import methods
from gaussft_jax.methods import autoencoder as a
from gaussft_jax.methods import ganomaly, vae


def _once(images):
    """In one batch, whose last image is not to be looked at."""
    return lambda: iter([((jnp.asarray(images),), np.arange(len(images)) < len(images) - 1)])


def _waves(rng, n, side=32):
    """Noisy stripes of any phase."""
    waves = np.sin(4 * np.pi * np.arange(side) / side + rng.uniform(0, 6.3, (n, 1)))
    return np.float32(waves[:, :, None, None] + rng.normal(scale=0.1, size=(n, side, side, 3)))


def _dented(images):
    """In which the stripes of a square run down."""
    dented = images.copy()
    dented[:, 8:18, 10:20] = images[:, 8:18, 10:20].transpose(0, 2, 1, 3)
    return dented


def _biased(layers, rng):
    """With biases that are not 0."""
    return tuple(x._replace(bias=jnp.float32(rng.normal(size=x.bias.shape))) for x in layers)


def _convolved(layer, x, stride, pad):
    """Of one signal, float64 [h w c]."""
    side = layer.kernel.shape[0]
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    windows = sliding_window_view(x, (side, side), (0, 1))[::stride, ::stride]
    return np.einsum("hwiab,abio->hwo", windows, np.float64(layer.kernel)) + layer.bias


def _leaky(x):
    return np.where(x < 0, x / 10, x)


def _halved(layers, x):
    for number, layer in enumerate(layers):
        x = _convolved(layer, _leaky(x) if number else x, 2, 1)
    return x


def _code(coder, image):
    return _convolved(coder[-1], _leaky(_halved(coder[:-1], image)), 1, 0)[0, 0]


def _decoded(decoder, z):
    x = (z @ np.float64(decoder[0].kernel[0, 0]) + decoder[0].bias).reshape(4, 4, 64)
    for layer in decoder[1:]:
        x = _leaky(x)
        for axis in (0, 1):  # a quarter of the neighbour before, or behind, which ends repeat
            x = np.moveaxis(x, axis, 0)
            padded = np.concatenate([x[:1], x, x[-1:]])
            halves = (3 * x + padded[:-2]) / 4, (3 * x + padded[2:]) / 4
            x = np.moveaxis(np.stack(halves, 1).reshape(-1, *x.shape[1:]), 0, axis)
        x = _convolved(layer, x, 1, 1)
    return x


def test_codes_and_images_are_layers_one_after_the_other(rng):
    coder, decoder = (
        _biased(a.initial_coder(rng, 3, 7), rng),
        _biased(a.initial_decoder(rng, 3, 7), rng),
    )
    images, codes = rng.normal(size=(2, 32, 32, 3)), rng.normal(size=(2, 7))
    found, made = a.code(coder, jnp.float32(images)), a.decoded(decoder, jnp.float32(codes))
    for i in range(2):
        np.testing.assert_allclose(found[i], _code(coder, images[i]), rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(made[i], _decoded(decoder, codes[i]), rtol=1e-3, atol=1e-3)


def _gan(rng):
    coder, again = a.initial_coder(rng, 3, 5), a.initial_coder(rng, 3, 5)
    networks = coder, a.initial_decoder(rng, 3, 5), again, a.initial_coder(rng, 3, 1)
    *generator, discriminator = (_biased(layers, rng) for layers in networks)
    return ganomaly.Generator(*generator), discriminator


def test_the_losses_of_a_gan(rng):
    generator, discriminator = _gan(rng)
    images = rng.normal(size=(3, 32, 32, 3))
    found = ganomaly.passed(generator, jnp.float32(images))
    losses = (
        ganomaly.generator_loss(discriminator, jnp.float32(images), found, 20.0),
        ganomaly.discriminator_loss(discriminator, jnp.float32(images), found.made),
    )
    for i, x in enumerate(images):
        z = _code(generator.coder, x)
        made = _decoded(generator.decoder, z)
        again = _code(generator.again, made)
        features, remade = (_halved(discriminator[:-1], image) for image in (x, made))
        expected = np.square(features - remade).mean() + 20 * np.abs(x - made).mean()
        expected += np.square(z - again).mean()
        np.testing.assert_allclose(losses[0][i], expected, rtol=1e-3)
        real, fake = (1 / (1 + np.exp(-_code(discriminator, image)[0])) for image in (x, made))
        expected = -np.log(real) - np.log(1 - fake)
        np.testing.assert_allclose(losses[1][i], expected, rtol=1e-3, atol=1e-4)


def test_generator_and_discriminator_step_by_their_own_terms(rng):
    networks, images = _gan(rng), jnp.asarray(rng.normal(size=(2, 32, 32, 3)), jnp.float32)
    method = methods.GANomaly()

    def both(networks):
        return ganomaly._loss(method, networks, images, None).sum()

    def of_generator(generator):
        found = ganomaly.passed(generator, images)
        return ganomaly.generator_loss(networks[1], images, found, method.weight).sum()

    def of_discriminator(discriminator):
        made = ganomaly.passed(networks[0], images).made
        return ganomaly.discriminator_loss(discriminator, images, made).sum()

    found = jax.jit(jax.grad(both))(networks)
    terms = (of_generator, of_discriminator)
    expected = tuple(jax.jit(jax.grad(f))(x) for f, x in zip(terms, networks, strict=True))
    for x, y in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5 * np.abs(y).max())


def test_ganomaly_scores_by_the_distance_of_codes(rng):
    images = _waves(rng, 25)
    method = methods.GANomaly(epochs=50)
    references = method.fit(_once(images))
    queries = _waves(rng, 12)
    good, bad = (
        np.asarray(method.level_maps(references, (jnp.asarray(x),))[0])
        for x in (queries, _dented(queries))
    )
    assert good.shape == (12, 1, 1)
    assert np.mean(bad > good) > 0.9
    z = _code(references.coder, queries[0])
    again = _code(references.again, _decoded(references.decoder, z))
    np.testing.assert_allclose(good[0], np.abs(z - again).mean(), rtol=1e-3)


def test_divergence_is_the_integral(rng):
    mean, log_variance = rng.normal(size=(2, 3, 4))

    def integrand(x, mean, std):
        p, q = norm.pdf(x, mean, std), norm.pdf(x)
        return p * np.log(p / q)

    expected = [
        sum(
            quad(integrand, m - 9 * std, m + 9 * std, (m, std))[0]
            for m, std in zip(mean[i], np.exp(log_variance[i] / 2), strict=True)
        )
        for i in range(3)
    ]
    found = vae.divergence(jnp.float32(mean), jnp.float32(log_variance))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def _vae(rng, latent=5):
    coder, decoder = a.initial_coder(rng, 4, 2 * latent), a.initial_decoder(rng, 4, latent)
    return vae.VAE(_biased(coder, rng), _biased(decoder, rng))


def test_the_lower_bound(rng):
    networks = _vae(rng)
    images, noise = rng.normal(size=(2, 64, 64, 3)), rng.normal(size=(2, 5))
    found = vae.negative_elbo(networks, jnp.float32(images), jnp.float32(noise))
    for i, x in enumerate(images):
        mean, log_variance = np.split(_code(networks.coder, x), 2)
        made = _decoded(networks.decoder, mean + np.exp(log_variance / 2) * noise[i])
        variance = np.exp(log_variance)
        divergence = (mean**2 + variance - np.log(variance) - 1).sum() / 2
        expected = np.square(x - made).sum() / 2 + divergence
        np.testing.assert_allclose(found[i], expected / (64 * 64 * 3), rtol=1e-3)


def _attention(coder, image):
    """Of one image, by the gradients of one mean after the other."""

    def convolved(x, layer, stride, pad):
        pads = ((pad, pad), (pad, pad))
        form = ("NHWC", "HWIO", "NHWC")
        found = lax.conv_general_dilated(x, layer.kernel, (stride,) * 2, pads, None, None, form)
        return found + layer.bias

    def leaky(x):
        return jnp.where(x < 0, x / 10, x)

    def means(features):
        x = features
        for layer in coder[2:4]:
            x = leaky(convolved(x, layer, 2, 1))
        return convolved(x, coder[4], 1, 0)[0, 0, 0, :5]

    features = image[None]
    for layer in coder[:2]:
        features = leaky(convolved(features, layer, 2, 1))
    shares = jax.jacrev(means)(features).sum((1, 2, 3))
    found = sum(jnp.maximum((features[0] * share).sum(-1), 0) for share in shares)
    return found / len(shares)


def test_attention_is_weighted_by_gradients(rng):
    """And its own gradient, that of a loss of it, is the same as well."""
    coder, images = _vae(rng).coder, jnp.asarray(rng.normal(size=(2, 64, 64, 3)), jnp.float32)
    weights = jnp.asarray(rng.normal(size=(2, 16, 16)), jnp.float32)

    def one_by_one(coder):
        found = jnp.stack([_attention(coder, image) for image in images])
        return (weights * found).sum(), found

    def at_once(coder):
        found = vae.attention(coder, images)
        return (weights * found).sum(), found

    (gradient, found), (reference, expected) = (
        jax.jit(jax.grad(f, has_aux=True))(coder) for f in (at_once, one_by_one)
    )
    assert found.shape == (2, 16, 16) and (expected > 0).any()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    for x, y in zip(*map(jax.tree.leaves, (gradient, reference)), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4 * np.abs(y).max())


def test_attention_is_to_cover_what_is_good(rng):
    networks, images = _vae(rng, 32), jnp.asarray(rng.normal(size=(2, 64, 64, 3)), jnp.float32)
    method, plain = methods.CAVGA(expansion=0.3), methods.VAEAttention()
    key = jax.random.key(3)
    found = method._loss(networks, images, key) - plain._loss(networks, images, key)
    (maps,) = method.level_maps(networks, (images,))
    (seen,) = plain.level_maps(networks, (images,))
    np.testing.assert_allclose(maps, 1 - 1 / (1 + np.exp(-np.float64(seen))), rtol=1e-5)
    np.testing.assert_allclose(found, 0.3 * maps.mean((1, 2)), rtol=1e-3)


def test_attention_finds_what_was_pasted(rng):
    """A bright square draws it; where a good image draws it everywhere, a grey one does not."""
    images, queries = _waves(rng, 17, 64), _waves(rng, 9, 64)
    plain, wide = (
        method.fit(_once(images)).coder
        for method in (methods.VAEAttention(15), methods.CAVGA(expansion=0.3, epochs=15))
    )
    bright, grey = queries.copy(), queries.copy()
    bright[:, 16:36, 20:40], grey[:, 16:36, 20:40] = 3, 0

    def seen(coder, images):
        return np.asarray(vae.attention(coder, jnp.asarray(images)))

    found = seen(plain, bright)
    assert np.mean(found.max((1, 2)) > seen(plain, queries).max((1, 2))) > 0.9
    assert found[:, 4:9, 5:10].mean() > 2 * seen(plain, queries)[:, 4:9, 5:10].mean()
    assert seen(wide, queries).mean() > 2 * seen(plain, queries).mean()
    there, usual = (seen(wide, x)[:, 4:9, 5:10].mean((1, 2)) for x in (grey, queries))
    assert np.mean(there < usual) > 0.9


@pytest.mark.parametrize("cls", [methods.GANomaly, methods.VAEAttention, methods.CAVGA])
def test_a_fit_can_be_repeated_kept_and_found_again(rng, cls):
    """Of images larger than the networks'."""
    method, training = cls(epochs=1), _waves(rng, 4, 80)
    first, second = (method.fit(_once(training)) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, first, second)
    restored = method.restored(to_state_dict(first))
    assert jax.tree.structure(restored) == jax.tree.structure(first)
    jax.tree.map(np.testing.assert_array_equal, restored, first)
