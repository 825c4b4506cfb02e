"""Forms that not every compiler knows: branches by platform, loops; and how to do without them."""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax import lax

__all__ = ["by_platform", "each", "fold", "one_form"]

one_form = jax.make_user_context(default_value=False)
"""`with one_form(True):` one form for every platform, without loops, for formats that need it.

JAX compiles a function anew where this changes.
"""


def by_platform(*args: Any, cpu: Callable, default: Callable) -> Any:
    """`lax.platform_dependent`, or `default(*args)` within `one_form(True)`."""
    if one_form.value:
        return default(*args)
    return lax.platform_dependent(*args, cpu=cpu, default=default)


def each(function: Callable, xs: Any) -> Any:
    """`lax.map`, one after the other; `jax.vmap`, all at once, within `one_form(True)`."""
    return jax.vmap(function)(xs) if one_form.value else lax.map(function, xs)


def fold(function: Callable, start: Any, xs: Any) -> Any:
    """The state after `state = function(state, x)` for each x.

    By `lax.scan`; unrolled within `one_form(True)`.
    """
    if one_form.value:
        return functools.reduce(function, xs, start)
    return lax.scan(lambda state, x: (function(state, x), None), start, xs)[0]
