"""What runs on accelerators, read off the programs that are lowered for them here."""

import re
from inspect import unwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from lowering import how_often, inexact, lowered

from gaussft_jax import gaussian, methods, parallel, training
from gaussft_jax.deployment import export_stablehlo
from gaussft_jax.detector import Detector
from gaussft_jax.evaluation import Calibration
from gaussft_jax.network import Network
from gaussft_jax.training.epoch import make_optimiser
from gaussft_jax.training.parameters import split
from gaussft_jax.training.state import INPUTS, Inputs, initial_state
from gaussft_jax.vicinity import draw, vicinity

PRODUCT = r"stablehlo\.(?:dot_general|convolution)\b.*"
DEPTHWISE = r"stablehlo\.convolution.*feature_group_count = (?!1\b)\d+"
KERNEL_GRADIENT = r"stablehlo\.convolution.*batch_group_count = (?!1\b)\d+"
LOOP = r"stablehlo\.while\b"
FEATURES_PADDED = r"stablehlo\.pad .*tensor<\d+x\d+x\d+x\d+xf32>"

platforms = pytest.mark.parametrize("platform", ["cuda", "tpu"])


@pytest.fixture(scope="module", autouse=True)
def on_an_accelerator():
    """How many images go through the network at once is decided while a function is traced."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "default_backend", lambda: "an accelerator")
        yield


@pytest.fixture(scope="module")
def references(tiny, stripes):
    backbone, variables = tiny
    return tuple(
        gaussian.Gaussian(
            np.zeros(x.shape[1:], "f"), np.eye(x.shape[-1], dtype="f"), np.zeros((), "f")
        )
        for x in jax.eval_shape(backbone.levels, variables, stripes)
    )


@pytest.fixture(scope="module")
def loop(tiny, stripes, references):
    """The training loop as it is called."""
    backbone, variables = tiny
    recipe = training.Recipe(batch_size=4, max_epochs=3)
    loop = training.make_loop(backbone, methods.create("gaussian"), vicinity("cutout"), recipe)
    tuned, fixed = split(variables, recipe.trainable, backbone.module.first_level)
    key = np.asarray(jax.random.key_data(jax.random.key(0)))
    rows = parallel.share(stripes).rows()
    draws = training.Draws(stripes[:8], np.arange(8) % 2 == 0)
    inputs = Inputs(key, tuned, fixed, references, rows, rows, draws)
    return loop, initial_state(tuned, make_optimiser(recipe), recipe.max_epochs), inputs


@pytest.fixture(scope="module")
def judge(tiny, stripes, references):
    """A detector's pure function, and images for it."""
    network, method = Network(*tiny), methods.create("gaussian")
    return Detector(network, method, (references,), stripes.shape[1]).judge, stripes[:4]


@pytest.fixture(scope="module")
def layers(tiny):
    """How many depthwise convolutions the network has."""
    return sum(tiny[0].module.specification.repeats)


@platforms
def test_the_detector(judge, layers, platform):
    program = lowered(*judge, platform=platform)
    assert how_often(DEPTHWISE, program) == layers
    assert not re.search(FEATURES_PADDED, program)
    assert not inexact(re.findall(PRODUCT, program))
    assert "f64" not in program and "custom_call" not in program


@platforms
def test_the_training_loop(loop, layers, platform):
    function, state, inputs = loop
    program = lowered(function, state, inputs, np.int32(1), platform=platform)
    # Validation, a step forward, its gradient with respect to the features, and the forward pass
    # that this is traced with: nothing uses it, and XLA takes it out.
    assert how_often(DEPTHWISE, program) == 4 * layers
    assert how_often(KERNEL_GRADIENT, program) == layers
    assert not re.search(FEATURES_PADDED, program)
    assert not inexact(re.findall(PRODUCT, program))
    assert "f64" not in program and "custom_call" not in program
    donated = len(re.findall(r"tf\.aliasing_output|jax\.buffer_donor", program))
    assert donated == len(jax.tree.leaves(state))


@platforms
@pytest.mark.parametrize(("scheme", "loops"), [("cutout", 0), ("all", 2)])
def test_the_draws(stripes, platform, scheme, loops):
    """No loop over the images: those that stay are over operations of AugMix, and blobs."""

    def program(platform):
        return lowered(
            lambda key, images: draw(key, images, vicinity(scheme)),
            jax.random.key(0),
            stripes[:8],
            platform=platform,
        )

    assert how_often(LOOP, program(platform)) == loops
    assert how_often(LOOP, program("cpu")) > loops


def test_the_fit():
    """On a TPU it is not lowered at all: `test_without_float64_the_cpu_of_the_host_sums`."""
    features, valid = jnp.zeros((4, 8, 8, 6)), jnp.ones(4, bool)
    with jax.enable_x64(True):
        first, second = (
            lowered(
                lambda *args, moments=moments: unwrap(moments)(*args, kind="tied"),
                *args,
                platform="cuda",
            )
            for moments, args in (
                (gaussian.means, (features, valid)),
                (gaussian.residuals, (features, valid, jnp.zeros((8, 8, 6)))),
            )
        )
    sums = r"stablehlo\.add .*tensor<8x8x6xf64>"
    assert re.search(sums, first)
    (product,) = re.findall(PRODUCT, second)
    assert re.search(r"-> tensor<6x6xf64>", product)


@platforms
def test_the_exported_detector(tiny, references, stripes, layers, platform):
    calibration = Calibration((np.arange(5, dtype="f"),), np.arange(5, dtype="f"))
    method, size = methods.create("gaussian"), stripes.shape[1]
    detector = Detector(Network(*tiny), method, (references,), size, calibration=calibration)
    exported = export.deserialize(bytearray(export_stablehlo(detector, (platform,))))
    program = exported.mlir_module()
    assert len(exported.out_avals) == 3
    assert how_often(DEPTHWISE, program) == layers
    assert not inexact(re.findall(PRODUCT, program))
    assert "f64" not in program


@platforms
def test_the_training_loop_by_pmap(tiny, stripes, loop, layers, platform):
    """Of pmap nothing is lowered but for the devices here, unless within a jitted function."""
    _, state, inputs = loop
    recipe = training.Recipe(batch_size=4, max_epochs=3)
    by_pmap = training.make_loop(
        tiny[0], methods.create("gaussian"), vicinity("cutout"), recipe, "pmap"
    )
    inputs = parallel.device_put(inputs, INPUTS, "pmap")
    program = lowered(jax.jit(by_pmap), state, inputs, np.int32(1), platform=platform)
    assert how_often(KERNEL_GRADIENT, program) == layers
    assert not re.search(FEATURES_PADDED, program)
    assert not inexact(re.findall(PRODUCT, program))
    assert "f64" not in program
