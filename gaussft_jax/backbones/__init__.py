"""Pre-trained networks that expose the features of every level; a folder for each family."""

from gaussft_jax.backbones.backbone import DTYPES, Backbone, Levels, Variables
from gaussft_jax.backbones.efficientnet import (
    EfficientNet,
    Specification,
    Stage,
    depthwise_convolution,
)
from gaussft_jax.backbones.level_store import LevelStore
from gaussft_jax.backbones.registry import NETWORKS, create, load_backbone
from gaussft_jax.backbones.resnet import ResNet
from gaussft_jax.backbones.vit import VisionTransformer

__all__ = [
    "DTYPES",
    "NETWORKS",
    "Backbone",
    "EfficientNet",
    "LevelStore",
    "Levels",
    "ResNet",
    "Specification",
    "Stage",
    "Variables",
    "VisionTransformer",
    "create",
    "depthwise_convolution",
    "load_backbone",
]
