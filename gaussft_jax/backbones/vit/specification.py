"""Vision transformers as data."""

from typing import NamedTuple

__all__ = ["SPECIFICATIONS", "Specification"]


class Specification(NamedTuple):
    """What distinguishes one network of the family from another.

    Attributes:
        width: channels of a token.
        depth: blocks.
        heads: of the attention.
        patch: side of a patch, pixels.
        image_size: side of the images that the position embeddings were learnt on, pixels.
        registers: tokens beside those of the class and the patches.
        layer_scale: whether what a block adds is scaled by learnt factors.
        antialias: whether position embeddings for smaller images are smoothed before they are
            sampled; as the network's own project does.
        millions: of parameters.
        every: distance of the blocks whose output is a level.
    """

    width: int
    depth: int
    heads: int
    patch: int
    image_size: int
    registers: int = 0
    layer_scale: bool = False
    antialias: bool = True
    millions: float = 0.0
    every: int = 3

    @property
    def grid(self) -> int:
        """Patches along a side of an image of nominal size."""
        return self.image_size // self.patch


_SIZES = {"s": (384, 12, 6), "b": (768, 12, 12), "l": (1024, 24, 16)}  # width, depth, heads


def _dinov2(size: str, registers: int) -> Specification:
    millions = {"s": 22.1, "b": 86.6, "l": 304.4}[size]
    return Specification(
        *_SIZES[size], 14, 518, registers, True, antialias=registers > 0, millions=millions
    )


def _vit(size: str) -> Specification:
    return Specification(*_SIZES[size], 16, 224, millions={"s": 21.7, "b": 85.8}[size])


SPECIFICATIONS: dict[str, Specification] = {
    **{f"vit-{size}16": _vit(size) for size in "sb"},
    **{f"deit-{size}16": _vit(size) for size in "sb"},
    **{f"dinov2-{size}14": _dinov2(size, 0) for size in "sbl"},
    **{f"dinov2-{size}14-registers": _dinov2(size, 4) for size in "sbl"},
}
