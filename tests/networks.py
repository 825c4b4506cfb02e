"""A network of the paper's family that compiles in a tenth of the time of EfficientNet-Lite0.

Where the fixture `small_network` is used it is known by its name, as any other. A test that is
about what is found takes Lite0.
"""

from gaussft_jax import backbones
from gaussft_jax.detector import Detector
from gaussft_jax.scoring import Scorer

SMALL = ("small", "random")
"""Name and weights, as `Detector.fit` takes them."""
FLAGS = ("--backbone=small", "--weights=random")
FIELDS = {"backbone": "small", "weights": "random"}
LEVELS = 5

_STAGES = (
    backbones.Stage(repeats=1, channels=8, kernel=3, stride=2, expansion=1),
    backbones.Stage(repeats=1, channels=8, kernel=3, stride=2, expansion=1),
    backbones.Stage(repeats=2, channels=12, kernel=3, stride=2, expansion=2),
)


def small() -> tuple[backbones.Backbone, backbones.Variables]:
    """The network, with levels of strides 2, 4, 8, 16 and 16, and its variables."""
    return shallow("small", len(_STAGES))


def shallow(
    name: str = "shallow", stages: int = 0
) -> tuple[backbones.Backbone, backbones.Variables]:
    """Stem, so many stages, and head: without any it compiles in a fraction of the time."""
    return backbones.load_backbone(unweighted(name, stages), "random")


def fitted_detector(network, method, parts, held_out):
    """A model fitted to each part of some images, calibrated on as many parts held out."""
    backbone, variables = network
    scorer = Scorer(backbone, method)
    models = tuple(scorer.fit(variables, images, lambda _: None) for images in parts)
    found = Detector(scorer.network(variables), method, models, parts[0].shape[1])
    return found.calibrated(held_out)


def unweighted(name: str = "small", stages: int = len(_STAGES)) -> backbones.Backbone:
    """The network without variables, and without a call of JAX, before which processes join."""
    module = backbones.EfficientNet(backbones.Specification(8, _STAGES[:stages], 16, 32, 0.0))
    return backbones.Backbone(name, module, 32, (127.0,) * 3, (64.0,) * 3)
