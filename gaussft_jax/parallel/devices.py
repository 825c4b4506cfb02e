"""All devices in one row, and arrays that lie on them: replicated, or sharded."""

import functools
from typing import Any, Literal

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

__all__ = [
    "AXIS",
    "REPLICATED",
    "SHARDED",
    "Parallelism",
    "device_put",
    "images_per_call",
    "is_spec",
    "local_rows",
    "mesh",
]

AXIS = "data"
REPLICATED = PartitionSpec()
SHARDED = PartitionSpec(AXIS)

Parallelism = Literal["jit", "pmap"]


@functools.cache
def mesh() -> Mesh:
    """All devices of all processes along the one axis `data`, those of a process side by side."""
    devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    return Mesh(np.array(devices), (AXIS,), axis_types=(AxisType.Auto,))


def images_per_call() -> int:
    """How many images all devices take at once where nothing is tuned.

    Eight for each CPU device, more are no faster there and need more memory; 32 for any other.
    """
    return (8 if jax.default_backend() == "cpu" else 32) * jax.device_count()


def device_put(tree: Any, specs: Any = REPLICATED, parallelism: Parallelism = "jit") -> Any:
    """Arrays on all devices, where a function of `spmd` wants them.

    Args:
        tree: arrays; with `REPLICATED` the same in every process, with `SHARDED` the rows of this
            one, as many as any other's and a multiple of its devices.
        specs: `REPLICATED` for a copy on each device, `SHARDED` for equal parts along the first
            axis; for all arrays, or one for each part of the tree.
        parallelism: of that function. For `pmap`, what is sharded has an axis for the devices in
            front, and what is replicated stays on the host.
    """
    put = _put if parallelism == "jit" else _put_for_pmap
    return jax.tree.map(lambda spec, part: put(part, spec), specs, tree, is_leaf=is_spec)


def is_spec(x: Any) -> bool:
    """Whether `x` is `REPLICATED` or `SHARDED`, and no tree of them."""
    return isinstance(x, PartitionSpec)


def _put(tree: Any, spec: PartitionSpec) -> Any:
    sharding = NamedSharding(mesh(), spec)

    def place(x):
        # To ask JAX for what is there already takes milliseconds for the weights of a network.
        if isinstance(x, jax.Array) and x.sharding == sharding:
            return x
        if jax.process_count() == 1:
            return jax.device_put(x, sharding)
        return jax.make_array_from_process_local_data(sharding, np.asarray(x))

    return jax.tree.map(place, tree)


def _put_for_pmap(tree: Any, spec: PartitionSpec) -> Any:
    tree = jax.tree.map(np.asarray, tree)
    if spec == REPLICATED:
        return tree
    count = jax.local_device_count()
    by_device = jax.tree.map(lambda x: x.reshape(count, -1, *x.shape[1:]), tree)
    return jax.pmap(lambda x: x, AXIS, devices=mesh().devices.flat)(by_device)


def local_rows(x: Array) -> np.ndarray:
    """The rows of a sharded array that lie on this process's devices."""
    if x.is_fully_addressable:
        return np.asarray(x)
    shards = sorted(x.addressable_shards, key=lambda shard: shard.index[0].start)
    return np.concatenate([np.asarray(shard.data) for shard in shards])
