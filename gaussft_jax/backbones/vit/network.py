"""Vision transformers as a Flax module that returns the tokens of chosen blocks as maps."""

import functools
import re
from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gaussft_jax.backbones.vit.positions import resized
from gaussft_jax.backbones.vit.specification import Specification

__all__ = ["VisionTransformer"]

_EPSILON = 1e-6  # of the layer normalisation


class _Attention(nn.Module):
    """Every token becomes a mean of all, weighted by how well its query meets their keys."""

    heads: int
    layer_scale: bool

    @nn.compact
    def __call__(self, x):
        n, t, c = x.shape
        dense = functools.partial(nn.Dense, dtype=x.dtype)
        y = nn.LayerNorm(_EPSILON, dtype=x.dtype, name="norm")(x)
        y = dense(3 * c, name="qkv")(y).reshape(n, t, 3, self.heads, c // self.heads)
        y = jax.nn.dot_product_attention(y[:, :, 0], y[:, :, 1], y[:, :, 2])
        return _scaled(self, dense(c, name="out")(y.reshape(n, t, c)))


class _MLP(nn.Module):
    """Each token by itself, at four times its width."""

    layer_scale: bool

    @nn.compact
    def __call__(self, x):
        c, dense = x.shape[-1], functools.partial(nn.Dense, dtype=x.dtype)
        y = nn.LayerNorm(_EPSILON, dtype=x.dtype, name="norm")(x)
        y = nn.gelu(dense(4 * c, name="expand")(y), approximate=False)
        return _scaled(self, dense(c, name="reduce")(y))


def _scaled(module: nn.Module, x: Array) -> Array:
    """By a learnt factor for each channel, where the network has them."""
    if not module.layer_scale:
        return x
    return x * module.param("layer_scale", nn.initializers.ones, x.shape[-1:]).astype(x.dtype)


class VisionTransformer(nn.Module):
    """The network without its classifier.

    Attributes:
        specification: which network of the family.
    """

    specification: Specification

    @property
    def level_names(self) -> tuple[str, ...]:
        """The blocks whose output is a level, counted from 1."""
        spec = self.specification
        return tuple(f"block{i}" for i in range(spec.every, spec.depth + 1, spec.every))

    def first_level(self, parameter: str) -> int:
        """The first level that depends on a parameter, by its `/`-joined name."""
        block = re.match(r"block(\d+)_", parameter)
        return (int(block[1]) - 1) // self.specification.every if block else 0

    def folded(self, variables: Mapping[str, Mapping]) -> Mapping[str, Mapping]:
        """The variables of a network that stays frozen: the same."""
        return variables

    @nn.compact
    def __call__(self, x: Float[Array, "n height width 3"]) -> tuple[Float[Array, "n h w c"], ...]:
        """The tokens of the patches behind every third block, normalised as behind the last.

        The position of the class token is part of it: both are learnt, and only their sum matters.

        Args:
            x: normalised images, float [n height width 3], of multiples of the patch; everything
                is computed in their dtype.

        Returns:
            Arrays [n h w c] of the same dtype and one resolution, without class and registers.
        """
        spec, dtype = self.specification, x.dtype
        learnt = functools.partial(self.param, init_fn=nn.initializers.normal(0.02))
        positions = jnp.asarray(learnt("positions", shape=(spec.grid, spec.grid, spec.width)))
        tokens = learnt("tokens", shape=(1 + spec.registers, spec.width))

        # A product rather than a convolution, whose gradient would be slow within a loop on a CPU.
        n, height, width, _ = x.shape
        x = x.reshape(n, height // spec.patch, spec.patch, width // spec.patch, spec.patch, 3)
        x = nn.DenseGeneral(spec.width, (2, 4, 5), dtype=dtype, name="embed")(x)
        n, h, w, c = x.shape
        x = (x + resized(positions, h, w, spec.antialias).astype(dtype)).reshape(n, h * w, c)
        first = jnp.broadcast_to(tokens.astype(dtype), (n, *tokens.shape))
        x = jnp.concatenate([first, x], 1)

        norm = nn.LayerNorm(_EPSILON, dtype=dtype, name="norm")
        levels = []
        for block in range(1, spec.depth + 1):
            x = x + _Attention(spec.heads, spec.layer_scale, name=f"block{block}_attention")(x)
            x = x + _MLP(spec.layer_scale, name=f"block{block}_mlp")(x)
            if block % spec.every == 0:
                levels.append(norm(x)[:, len(tokens) :].reshape(n, h, w, c))
        return tuple(levels)
