"""Pre-trained networks that expose the features of every level."""

from gaussft_jax.backbones.depthwise import depthwise_convolution
from gaussft_jax.backbones.efficientnet import EfficientNet
from gaussft_jax.backbones.level_store import LevelStore
from gaussft_jax.backbones.registry import Backbone, Levels, Variables, create, load_backbone
from gaussft_jax.backbones.specification import LEVELS, SPECIFICATIONS, Specification, Stage

__all__ = [
    "LEVELS",
    "SPECIFICATIONS",
    "Backbone",
    "EfficientNet",
    "LevelStore",
    "Levels",
    "Specification",
    "Stage",
    "Variables",
    "create",
    "depthwise_convolution",
    "load_backbone",
]
