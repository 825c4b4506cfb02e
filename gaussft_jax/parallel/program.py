"""One function on every device, and what its copies tell each other."""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int32, UInt8
from orbax.checkpoint import multihost

from gaussft_jax.parallel.devices import AXIS, SHARDED, Parallelism, is_spec, mesh
from gaussft_jax.parallel.share import Rows

__all__ = ["all_gather", "gather_rows", "local_shard", "padded", "psum", "shard_start", "spmd"]

_meetings = itertools.count()


def spmd(
    function: Callable, in_specs: Any, out_specs: Any, parallelism: Parallelism, donate: tuple = ()
) -> Callable:
    """`function` on every device: it sees its shard of what is sharded, and the rest whole.

    Inside, `gather_rows`, `local_shard`, `psum` and `all_gather` stand for what lies on the other
    devices.

    Args:
        function: of arrays, to arrays.
        in_specs: `REPLICATED` or `SHARDED` for every argument, or for the parts of it.
        out_specs: likewise; what is `REPLICATED` must come out equal everywhere.
        parallelism: `jit` (of a `shard_map`) or `pmap`.
        donate: numbers of the arguments whose memory may be reused.
    """
    if parallelism == "pmap":
        jitted = jax.pmap(
            function,
            AXIS,
            in_axes=_axes(in_specs),
            out_axes=_axes(out_specs),
            devices=mesh().devices.flat,
            donate_argnums=donate,
        )
    else:
        mapped = jax.shard_map(
            function, mesh=mesh(), in_specs=in_specs, out_specs=out_specs, check_vma=False
        )
        jitted = jax.jit(mapped, donate_argnums=donate)
    return jitted if jax.process_count() == 1 else _compiled_before_run(jitted)


def _compiled_before_run(jitted: Callable) -> Callable:
    """`jitted`, compiled by all processes before any of them runs it.

    A process that compiles for longer than the others would else look like a dead one to them.
    """
    compiled = {}

    def call(*args):
        shapes = jax.tree.map(lambda x: (x.shape, x.dtype), args)
        leaves, structure = jax.tree.flatten(shapes)
        key = (structure, tuple(leaves))
        if key not in compiled:
            compiled[key] = jitted.lower(*args).compile()
            everyone = set(range(jax.process_count()))
            # Named processes meet at the coordinator, which waits longer than a collective would.
            multihost.sync_global_processes(f"compiled {next(_meetings)}", processes=everyone)
        return compiled[key](*args)

    return call


def _axes(specs: Any) -> Any:
    return jax.tree.map(lambda spec: 0 if spec == SHARDED else None, specs, is_leaf=is_spec)


def gather_rows(rows: Rows, chosen: Int32[Array, " b"]) -> UInt8[Array, "p s s 3"]:
    """This device's shard of the chosen images, wherever they lie.

    Every device gives those of its own and black for the rest; the sums are handed out in equal
    parts. That moves each byte of the batch once.

    Args:
        rows: the images.
        chosen: numbers of images, int32 [b], the same on every device, b a multiple of their count.
    """
    device, row = jnp.divmod(rows.place[chosen], len(rows.images))
    here = (device == lax.axis_index(AXIS))[:, None, None, None]
    images = jnp.where(here, rows.images[row], 0)
    return lax.psum_scatter(images, AXIS, scatter_dimension=0, tiled=True)


def padded(x: Array) -> Array:
    """Zeros appended, up to a multiple of the devices."""
    missing = -len(x) % lax.axis_size(AXIS)
    return jnp.pad(x, ((0, missing), *((0, 0),) * (x.ndim - 1)))


def shard_start(size: int) -> Int32[Array, ""]:
    """The number of this device's first row, where each device has `size`."""
    return lax.axis_index(AXIS) * size


def local_shard(x: Array) -> Array:
    """This device's rows of an array that every device has whole."""
    size = len(x) // lax.axis_size(AXIS)
    return lax.dynamic_slice_in_dim(x, shard_start(size), size)


def psum(tree: Any) -> Any:
    """The sum over all devices."""
    return lax.psum(tree, AXIS)


def all_gather(x: Array) -> Array:
    """The rows of all devices, one below the other."""
    return lax.all_gather(x, AXIS, tiled=True)
