"""Streaming moments of features: sums that add over batches, devices and hosts.

Two passes. The first sums features to means; the second sums residuals from those means to the
second moments, and the fourth power of their norms, which is all that Ledoit-Wolf shrinkage needs:
no feature is ever kept. Everything is float64, since the directions of low variance, which
discriminate best, are differences of large numbers.

Features that lie on several devices are summed where they are: each device has its own sums, below
those of the others, until `total` adds them up. Nothing travels for a batch, unless the devices
have no float64: a TPU's features are summed on the CPU of the host that it belongs to.
"""

import functools
import inspect
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float

from gaussft_jax.parallel import local_rows

__all__ = [
    "Kind",
    "Means",
    "Residuals",
    "float64",
    "means",
    "merge",
    "on_cpu",
    "on_host",
    "residuals",
    "total",
]

Kind = Literal["tied", "global", "local"]

_CACHED_ROWS = 2048
_UNROLLED = 32  # images
_WITH_FLOAT64 = ("cpu", "gpu")  # platforms


def float64(function):
    """`function`, jitted and traced with 64-bit types whatever JAX's default is.

    A keyword-only argument is static.
    """
    static = inspect.getfullargspec(inspect.unwrap(function)).kwonlyargs
    jitted = jax.jit(function, static_argnames=static)

    @functools.wraps(function)
    def call(*args, **kwargs):
        with jax.enable_x64(True):
            return jitted(*args, **kwargs)

    return call


def on_cpu() -> AbstractContextManager:
    """Where NumPy arrays are computed with on the host's CPU, whatever JAX's default device is.

    For what is factorised once, in float64, from moments that are on the host anyway: a TPU has no
    float64 eigenvalues, most GPUs compute in it at a 64th of their speed, and the factors are the
    same on every machine.
    """
    cpu = _cpu()
    return jax.default_device(cpu) if cpu else nullcontext()


def _cpu() -> jax.Device | None:
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # $JAX_PLATFORMS leaves the CPU out
        return None


def _where_float64_is(*arrays):
    """The arrays, or this process's rows of them on its CPU where their devices lack float64."""
    devices = arrays[0].devices() if isinstance(arrays[0], jax.Array) else jax.devices()[:1]
    cpu = _cpu()
    if cpu is None or all(device.platform in _WITH_FLOAT64 for device in devices):
        return arrays
    return jax.device_put([local_rows(jnp.asarray(x)) for x in arrays], cpu)


def _over_devices(function):
    """`function` of (features, valid, ...), on each device of its own images.

    Left to itself, XLA would bring the features of all devices together to slice them.
    """

    @functools.cache
    def on(mesh: Mesh | None, axis: str | None, others: int, kind: Kind):
        each = functools.partial(function, kind=kind)
        if not axis:
            return float64(each)
        split, same = PartitionSpec(axis), PartitionSpec()
        return float64(
            jax.shard_map(
                lambda *args: jax.tree.map(lambda x: x[None], each(*args)),
                mesh=mesh,
                in_specs=(split, split, *(same,) * others),
                out_specs=split,
                check_vma=False,
            )
        )

    @functools.wraps(function)
    def call(features, valid, *others, kind):
        features, valid = _where_float64_is(features, valid)
        where = features.sharding if isinstance(features, jax.Array) else None
        split = isinstance(where, NamedSharding) and len(where.device_set) > 1 and where.spec
        mesh, axis = (where.mesh, where.spec[0]) if split else (None, None)
        return on(mesh, axis, len(others), kind)(features, valid, *others)

    return call


class Means(NamedTuple):
    """Sums of features.

    Attributes:
        count: rows that went into each mean, float64 [].
        total: their sum, float64 [h w c], or [c] where all locations share one mean (global).
    """

    count: Float[Array | np.ndarray, ""]
    total: Float[Array | np.ndarray, "*location c"]

    @property
    def mean(self) -> Float[Array | np.ndarray, "*location c"]:
        """The mean feature, float64 [h w c] or [c]."""
        with jax.enable_x64(True):
            return self.total / self.count


class Residuals(NamedTuple):
    """Sums over the rows r = x - mean that share a covariance.

    Attributes:
        count: rows per covariance, float64 [].
        gram: sum of r r', float64 [c c], or [h w c c] where every location has its own (local).
        fourth: sum of |r|^4, float64 [] or [h w].
    """

    count: Float[Array | np.ndarray, ""]
    gram: Float[Array | np.ndarray, "*location c c"]
    fourth: Float[Array | np.ndarray, "*location"]


@_over_devices
def means(features: Float[Array, "n h w c"], valid: Bool[Array, " n"], *, kind: Kind) -> Means:
    """First pass: the sums of one batch.

    Args:
        features: one level, float [n h w c].
        valid: False for the images that only pad the batch, bool [n].
        kind: `tied` and `local` have a mean per location, `global` one for all.
    """
    count = valid.sum(dtype=jnp.float64)
    # Widened while it is summed: a float64 copy of the features would cost more than the sum.
    x = jnp.where(valid[:, None, None, None], features, 0)
    if kind == "global":
        _, h, w, _ = features.shape
        return Means(count * (h * w), x.sum((0, 1, 2), dtype=jnp.float64))
    if len(x) > _UNROLLED:
        return Means(count, x.sum(0, dtype=jnp.float64))
    # One addition after the other becomes one loop, ten times as fast as XLA's own reduction.
    return Means(count, functools.reduce(jnp.add, (image.astype(jnp.float64) for image in x)))


@_over_devices
def residuals(
    features: Float[Array, "n h w c"],
    valid: Bool[Array, " n"],
    mean: Float[Array | np.ndarray, "*location c"],
    *,
    kind: Kind,
) -> Residuals:
    """Second pass: the residual sums of one batch.

    Args:
        features: one level, float [n h w c].
        valid: as in `means`.
        mean: `Means.mean` over all batches, float64 [h w c] or [c].
        kind: `local` has a covariance per location, `tied` and `global` one for all.
    """
    count = valid.sum(dtype=jnp.float64)

    def residual(x, valid):
        return jnp.where(valid[:, None, None, None], x.astype(jnp.float64) - mean, 0.0)

    if kind == "local":
        r = residual(features, valid)
        fourth = jnp.square(jnp.square(r).sum(-1)).sum(0)
        return Residuals(count, jnp.einsum("nhwc,nhwd->hwcd", r, r), fourth)

    def add(sums, batch):
        gram, fourth = sums
        rows = residual(*batch).reshape(-1, c)
        return (gram + rows.T @ rows, fourth + jnp.square(jnp.square(rows).sum(-1)).sum()), None

    n, h, w, c = features.shape
    # So few rows at a time that their float64 copy stays in the cache, and as many in each step.
    images = -(-n // -(-n * h * w // _CACHED_ROWS))
    steps = -(-n // images)
    batches = tuple(
        jnp.pad(x, ((0, steps * images - n), *((0, 0),) * (x.ndim - 1))).reshape(
            steps, images, *x.shape[1:]
        )
        for x in (features, valid)
    )
    gram, fourth = lax.scan(add, (jnp.zeros((c, c)), jnp.zeros(())), batches)[0]
    return Residuals(count * (h * w), gram, fourth)


def total(moments):
    """The moments of all devices of all processes together, on the host."""
    if moments.count.ndim:
        return jax.tree.map(on_host, _sum_over_devices(moments))
    return jax.tree.map(_sum_over_processes, moments)


@float64
def _sum_over_devices(moments):
    return jax.tree.map(lambda x: x.sum(0), moments)


def _sum_over_processes(x):
    # It travels as bits: the devices that it passes need not know float64.
    bits = multihost_utils.process_allgather(np.asarray(x)[None].view(np.uint32), tiled=True)
    return np.asarray(bits.view(np.float64).sum(0))


def on_host(x: Array | np.ndarray) -> np.ndarray:
    """The whole of an array on the host, also where other processes hold parts of it."""
    with jax.enable_x64(True):
        return multihost_utils.process_allgather(x, tiled=True)


def merge(a, b):
    """The moments of two disjoint sets of images together, of the same type as `a` and `b`."""
    with jax.enable_x64(True):
        return jax.tree.map(jnp.add, a, b)
