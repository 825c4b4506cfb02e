"""Vision transformers: levels of one resolution, behind every third block."""

from gaussft_jax.backbones.backbone import IMAGENET, Backbone
from gaussft_jax.backbones.vit.files import read
from gaussft_jax.backbones.vit.network import VisionTransformer
from gaussft_jax.backbones.vit.specification import SPECIFICATIONS, Specification
from gaussft_jax.weights import Source, downloads

__all__ = ["NETWORKS", "VisionTransformer"]

_HALF = ((127.5,) * 3, (127.5,) * 3)


def _augreg(size: str) -> Source:
    name = f"vit_{size}_patch16_224.augreg_in21k_ft_in1k"
    address = f"https://huggingface.co/timm/{name}/resolve/main/model.safetensors"
    return Source(address, f"{name}.safetensors", "", "Apache-2.0")


def _dinov2(size: str, registers: str = "") -> Source:
    file = f"dinov2_vit{size}14{registers}_pretrain.pth"
    folder = f"https://dl.fbaipublicfiles.com/dinov2/dinov2_vit{size}14"
    return Source(f"{folder}/{file}", file, "", "Apache-2.0")


_DEIT = downloads(
    "https://dl.fbaipublicfiles.com/deit",
    "deit_small_patch16_224-cd65a155 deit_base_patch16_224-b5f2ef4d",
    "Apache-2.0",
)
_SOURCES = {
    "vit-s16": _augreg("small"),
    "vit-b16": _augreg("base"),
    "deit-s16": _DEIT[0],
    "deit-b16": _DEIT[1],
    **{f"dinov2-{size}14": _dinov2(size) for size in "sbl"},
    **{f"dinov2-{size}14-registers": _dinov2(size, "_reg4") for size in "sbl"},
}


def _backbone(name: str, specification: Specification) -> Backbone:
    return Backbone(
        name,
        VisionTransformer(specification),
        specification.image_size,
        *(_HALF if name.startswith("vit-") else IMAGENET),
        multiple=specification.patch,
        read=read,
        millions=specification.millions,
        source=_SOURCES[name],
    )


NETWORKS: dict[str, Backbone] = {name: _backbone(name, s) for name, s in SPECIFICATIONS.items()}
