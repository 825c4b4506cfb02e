"""ResNet and Wide ResNet: five levels of strides 2 to 32."""

from gaussft_jax.backbones.backbone import IMAGENET, Backbone
from gaussft_jax.backbones.resnet.names import our_names
from gaussft_jax.backbones.resnet.network import SPECIFICATIONS, ResNet, Specification
from gaussft_jax.weights import downloads, rename

__all__ = ["NETWORKS", "ResNet"]

_SOURCES = downloads(
    "https://download.pytorch.org/models",
    "resnet18-f37072fd resnet34-b627a593 resnet50-0676ba61 wide_resnet50_2-95faca4d",
    "BSD-3-Clause",
)


def _backbone(name: str, specification: Specification) -> Backbone:
    return Backbone(
        name,
        ResNet(specification),
        224,
        *IMAGENET,
        read=lambda source: rename(source, our_names(source, specification.repeats)),
        millions=specification.millions,
        source=next(s for s in _SOURCES if s.file.startswith(name.replace("-", "_"))),
    )


NETWORKS: dict[str, Backbone] = {name: _backbone(name, s) for name, s in SPECIFICATIONS.items()}
