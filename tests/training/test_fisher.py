"""The Fisher information of a network that compiles in no time, against its Jacobian."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from processes import Run

from gaussft_jax import parallel
from gaussft_jax.backbones import Backbone
from gaussft_jax.training.fisher import feature_spread, make_fisher
from gaussft_jax.training.parameters import split
from gaussft_jax.training.state import ROWS

RNG = np.random.default_rng(0)
FIRST, SECOND = RNG.normal(size=(3, 4)).astype("f4"), RNG.normal(size=(4, 5)).astype("f4")
IMAGES = RNG.integers(0, 256, (20, 8, 8, 3)).astype(np.uint8)


def _levels(parameters, x):
    first = jax.nn.relu(x @ parameters["first"])
    return first, jnp.tanh(first[:, ::2, ::2] @ parameters["second"])


BACKBONE, VARIABLES = Backbone.from_function(_levels, {"first": FIRST, "second": SECOND}, 8)


def _found(spread):
    """Each of two images comes 250 times: its part has a relative error of sqrt(2 / 250) = 0.09."""
    tuned, fixed = split(VARIABLES, "all", len)
    images = parallel.share(np.repeat(IMAGES[:2], 250, 0)).rows()
    key = np.asarray(jax.random.key_data(jax.random.key(0)))
    return make_fisher(BACKBONE)(key, spread, tuned, fixed, parallel.device_put(images, ROWS))


def _features(parameters, images):
    levels = BACKBONE.levels({"params": parameters}, jnp.asarray(images))
    return jnp.concatenate([level.mean((1, 2)) for level in levels], 1)


def test_it_is_the_squared_jacobian_of_the_standardised_features():
    spread = np.std(_features(VARIABLES["params"], IMAGES), 0)
    np.testing.assert_allclose(feature_spread(BACKBONE, VARIABLES, IMAGES), spread, rtol=1e-3)
    jacobian = jax.jit(jax.jacrev(_features))(VARIABLES["params"], IMAGES[:2])
    found = _found(spread)
    for name, of_features in jacobian.items():
        expected = jnp.square(of_features / spread[:, None, None]).sum(1).mean(0)
        np.testing.assert_allclose(found[f"params/{name}"], expected, rtol=0.4)
        np.testing.assert_allclose(found[f"params/{name}"].sum(), expected.sum(), rtol=0.15)


def test_any_number_of_devices_finds_the_same(tmp_path):
    file = tmp_path / "found.npy"
    imports = f"import sys; sys.path = {sys.path}; import {__name__} as this"
    code = f"{imports}; this._save({str(file)!r}, 3)"
    Run(tmp_path, lambda _: [sys.executable, "-c", code], devices=3).finish()
    of_three = np.load(file)
    _save(file, 1)
    np.testing.assert_allclose(of_three, np.load(file), rtol=1e-4)


def _save(file, devices):
    assert jax.device_count() == devices
    found = _found(np.ones(9, np.float32))
    np.save(file, np.concatenate([x.reshape(-1) for x in found.values()]))
