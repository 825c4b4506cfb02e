"""One program on all devices of all processes: who holds which images, and what is shared."""

from gaussft_jax.parallel.devices import SAME, SPLIT, images_per_call, local_rows, mesh, put
from gaussft_jax.parallel.processes import agree, is_first, start, together
from gaussft_jax.parallel.program import (
    Parallelism,
    everywhere,
    filled,
    first_of,
    gathered,
    own_part,
    parts,
    summed,
    take,
)
from gaussft_jax.parallel.share import Rows, Share, owners, share

__all__ = [
    "SAME",
    "SPLIT",
    "Parallelism",
    "Rows",
    "Share",
    "agree",
    "everywhere",
    "filled",
    "first_of",
    "gathered",
    "images_per_call",
    "is_first",
    "local_rows",
    "mesh",
    "own_part",
    "owners",
    "parts",
    "put",
    "share",
    "start",
    "summed",
    "take",
    "together",
]
