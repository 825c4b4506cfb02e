"""All devices in one row, and arrays that lie on them: the same on each, or split."""

import functools
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

__all__ = ["AXIS", "SAME", "SPLIT", "images_per_call", "local_rows", "mesh", "put"]

AXIS = "data"
SAME = PartitionSpec()
SPLIT = PartitionSpec(AXIS)


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


def put(tree: Any, spec: PartitionSpec = SAME) -> Any:
    """Arrays on all devices.

    Args:
        tree: arrays; with `SAME` the same in every process, with `SPLIT` the rows of this one,
            as many as any other's and a multiple of its devices.
        spec: `SAME` for a copy on each device, `SPLIT` for equal parts along the first axis.
    """
    sharding = NamedSharding(mesh(), spec)

    def place(x):
        # To ask JAX for what is there already takes milliseconds for the weights of a network.
        if isinstance(x, jax.Array) and x.sharding == sharding:
            return x
        if jax.process_count() == 1:
            return jax.device_put(x, sharding)
        return jax.make_array_from_process_local_data(sharding, np.asarray(x))

    return jax.tree.map(place, tree)


def local_rows(x: Array) -> np.ndarray:
    """The rows of an array split along its first axis that lie on this process's devices."""
    if x.is_fully_addressable:
        return np.asarray(x)
    shards = sorted(x.addressable_shards, key=lambda shard: shard.index[0].start)
    return np.concatenate([np.asarray(shard.data) for shard in shards])
