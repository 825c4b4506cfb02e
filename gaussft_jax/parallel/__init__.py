"""One program on all devices of all processes: who holds which images, and what is shared."""

from gaussft_jax.parallel.devices import (
    REPLICATED,
    SHARDED,
    Parallelism,
    device_put,
    images_per_call,
    local_rows,
    mesh,
)
from gaussft_jax.parallel.processes import abort_on_error, broadcast, initialize, is_primary
from gaussft_jax.parallel.program import (
    all_gather,
    gather_rows,
    local_shard,
    padded,
    psum,
    shard_start,
    spmd,
)
from gaussft_jax.parallel.share import Rows, Share, owners, share

__all__ = [
    "REPLICATED",
    "SHARDED",
    "Parallelism",
    "Rows",
    "Share",
    "abort_on_error",
    "all_gather",
    "broadcast",
    "device_put",
    "gather_rows",
    "images_per_call",
    "initialize",
    "is_primary",
    "local_rows",
    "local_shard",
    "mesh",
    "owners",
    "padded",
    "psum",
    "shard_start",
    "share",
    "spmd",
]
