"""Compiled functions kept from one run to the next."""

import os

import jax

from gaussft_jax.files import cache_folder

__all__ = ["keep_compilations"]


def keep_compilations() -> None:
    """Let JAX keep what it compiles in the cache folder, unless the user has said where or not.

    Programs call this, the library never does. JAX decides what it can keep: on a CPU, all but what
    calls back into Python.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ or "JAX_ENABLE_COMPILATION_CACHE" in os.environ:
        return
    jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "compiled"))
    # A run compiles a hundred functions, most of them small.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
