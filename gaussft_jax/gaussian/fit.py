"""From a stream of features to one Gaussian per level."""

from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Bool, Float

from gaussft_jax.gaussian.distance import Gaussian
from gaussft_jax.gaussian.moments import Kind, Means, Residuals, float64, means, merge, residuals
from gaussft_jax.gaussian.shrinkage import ledoit_wolf

__all__ = ["Batches", "fit_gaussians", "fit_means", "gaussian_from_moments"]

Batches = Iterable[tuple[tuple[Float[Array, "n h w c"], ...], Bool[Array, " n"]]]


def fit_gaussians(batches: Callable[[], Batches], kind: Kind = "tied") -> tuple[Gaussian, ...]:
    """One Gaussian per level, fitted by maximum likelihood with Ledoit-Wolf shrinkage.

    The features are asked for twice, once for the means and once for the residuals, and never
    kept: memory is that of one batch, whatever the number of images.

    Args:
        batches: each call streams the training images anew as (levels, valid): a tuple of float32
            [n h w c], and bool [n], False for images that only pad the batch.
        kind: `tied` (a mean per location, one covariance), `global` (one of each) or `local` (one
            of each per location).

    Raises:
        ValueError: fewer than two images, or a covariance without a finite Cholesky factor; the
            message names level, rows and features.

    Reference:
        Section 3 of the paper.
    """
    first = _first_pass(batches, kind)
    location_means = tuple(_mean(level) for level in first)
    second = _accumulate(
        tuple(
            residuals(level, mean, valid, kind=kind)
            for level, mean in zip(levels, location_means, strict=True)
        )
        for levels, valid in batches()
    )
    return tuple(
        gaussian_from_moments(m, r, level)
        for level, (m, r) in enumerate(zip(first, second, strict=True))
    )


def fit_means(batches: Callable[[], Batches]) -> tuple[Float[Array, "h w c"], ...]:
    """The mean feature at every location of each level, float32 [h w c].

    Args:
        batches: as in `fit_gaussians`, asked once.
    """
    return tuple(_single(_mean(level)) for level in _first_pass(batches, "tied"))


def gaussian_from_moments(first: Means, second: Residuals, level: int = 0) -> Gaussian:
    """The Gaussian of the accumulated moments of one level.

    Args:
        first: sums of all images' features.
        second: sums of all images' residuals.
        level: for the error message.

    Raises:
        ValueError: see `fit_gaussians`.
    """
    per_mean, rows, features = int(first.count), int(second.count), second.gram.shape[-1]
    if per_mean < 2:
        raise ValueError(
            f"level {level}: a mean of {per_mean} feature leaves no variance; "
            "a Gaussian needs at least 2 images"
        )
    covariance, shrinkage = ledoit_wolf(second)
    whitening = _whitening(covariance)
    if not np.isfinite(whitening).all():
        raise ValueError(
            f"level {level}: the covariance of {features} features from {rows} rows has no finite "
            "Cholesky factor. Are all images the same, or do the features hold NaN?"
        )
    mean = _mean(first)
    return Gaussian(*map(_single, (mean, whitening, shrinkage)))


def _first_pass(batches, kind):
    return _accumulate(
        tuple(means(level, valid, kind=kind) for level in levels) for levels, valid in batches()
    )


def _accumulate(moments):
    total = None
    for batch in moments:
        total = batch if total is None else merge(total, batch)
    if total is None:
        raise ValueError("no images to fit a Gaussian to")
    return total


def _single(x):
    return jnp.asarray(np.asarray(x, np.float32))


def _mean(moments: Means):
    with jax.enable_x64(True):
        return moments.mean


@float64
def _whitening(covariance):
    factor = jnp.linalg.cholesky(covariance)
    eye = jnp.broadcast_to(jnp.eye(covariance.shape[-1]), covariance.shape)
    return jnp.swapaxes(solve_triangular(factor, eye, lower=True), -1, -2)
