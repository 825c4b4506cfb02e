"""One function on every device, and what its copies tell each other."""

import itertools
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec
from jaxtyping import Array, Int32, UInt8
from orbax.checkpoint import multihost

from gaussft_jax.parallel.devices import AXIS, SAME, SPLIT, mesh, put
from gaussft_jax.parallel.share import Rows

__all__ = [
    "Parallelism",
    "everywhere",
    "filled",
    "first_of",
    "gathered",
    "own_part",
    "parts",
    "summed",
    "take",
]

Parallelism = Literal["jit", "pmap"]

_meetings = itertools.count()


def everywhere(
    function: Callable, in_specs: Any, out_specs: Any, parallelism: Parallelism, donate: tuple = ()
) -> Callable:
    """`function` on every device: it sees its part of what is split, and the rest whole.

    Inside, `take`, `own_part`, `summed` and `gathered` stand for what lies on the other devices.

    Args:
        function: of arrays, to arrays.
        in_specs: `SAME` or `SPLIT` for every argument, or for the parts of it.
        out_specs: likewise; what is `SAME` must come out equal everywhere.
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
    return jitted if jax.process_count() == 1 else _started_together(jitted)


def _started_together(jitted: Callable) -> Callable:
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


def parts(tree: Any, specs: Any, parallelism: Parallelism) -> Any:
    """Arrays where `everywhere` wants them; arguments as for `devices.put`.

    For `pmap`, what is split has an axis for the devices in front.
    """

    def place(spec, subtree):
        if parallelism == "jit":
            return put(subtree, spec)
        subtree = jax.tree.map(np.asarray, subtree)
        if spec == SAME:
            return subtree
        count = jax.local_device_count()
        by_device = jax.tree.map(lambda x: x.reshape(count, -1, *x.shape[1:]), subtree)
        return jax.pmap(lambda x: x, AXIS, devices=mesh().devices.flat)(by_device)

    return jax.tree.map(place, specs, tree, is_leaf=_is_spec)


def _axes(specs: Any) -> Any:
    return jax.tree.map(lambda spec: 0 if spec == SPLIT else None, specs, is_leaf=_is_spec)


def _is_spec(x: Any) -> bool:
    return isinstance(x, PartitionSpec)


def take(rows: Rows, chosen: Int32[Array, " b"]) -> UInt8[Array, "p s s 3"]:
    """This device's part of the chosen images, wherever they lie.

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


def filled(x: Array) -> Array:
    """Zeros appended, up to a multiple of the devices."""
    missing = -len(x) % lax.axis_size(AXIS)
    return jnp.pad(x, ((0, missing), *((0, 0),) * (x.ndim - 1)))


def first_of(size: int) -> Int32[Array, ""]:
    """The number of this device's first row, where each device has `size`."""
    return lax.axis_index(AXIS) * size


def own_part(x: Array) -> Array:
    """This device's rows of an array that every device has whole."""
    size = len(x) // lax.axis_size(AXIS)
    return lax.dynamic_slice_in_dim(x, first_of(size), size)


def summed(tree: Any) -> Any:
    """The sum over all devices."""
    return lax.psum(tree, AXIS)


def gathered(x: Array) -> Array:
    """The rows of all devices, one below the other."""
    return lax.all_gather(x, AXIS, tiled=True)
