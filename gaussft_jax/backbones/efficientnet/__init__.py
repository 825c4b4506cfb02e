"""EfficientNet and EfficientNet-Lite: nine levels of strides 2 to 32."""

from gaussft_jax.backbones.backbone import IMAGENET, Backbone
from gaussft_jax.backbones.efficientnet.depthwise import depthwise_convolution
from gaussft_jax.backbones.efficientnet.names import our_names
from gaussft_jax.backbones.efficientnet.network import EfficientNet
from gaussft_jax.backbones.efficientnet.sources import SOURCES
from gaussft_jax.backbones.efficientnet.specification import SPECIFICATIONS, Specification, Stage
from gaussft_jax.weights import rename

__all__ = ["NETWORKS", "EfficientNet", "Specification", "Stage", "depthwise_convolution"]

_LITE = (127.0,) * 3, (128.0,) * 3


def _backbone(name: str, specification: Specification) -> Backbone:
    return Backbone(
        name,
        EfficientNet(specification),
        specification.image_size,
        *(_LITE if specification.lite else IMAGENET),
        read=lambda source: rename(source, our_names(source, specification.repeats)),
        millions=specification.millions,
        source=SOURCES[name],
    )


NETWORKS: dict[str, Backbone] = {name: _backbone(name, s) for name, s in SPECIFICATIONS.items()}
