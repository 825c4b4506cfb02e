"""Packages that only some commands need."""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["extra"]


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Where an import fails, the one line that says what to install.

    Args:
        name: of the extra in pyproject.toml.

    Raises:
        ValueError: a package is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ValueError(f'{error.name} is missing: pip install "gaussft_jax[{name}]"') from error
