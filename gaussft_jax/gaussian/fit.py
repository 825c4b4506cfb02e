"""From a stream of features to one Gaussian per level."""

from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Bool, Float

from gaussft_jax.gaussian.distance import Gaussian
from gaussft_jax.gaussian.low_rank import LowRankGaussian, fit_low_rank
from gaussft_jax.gaussian.moments import (
    Kind,
    Means,
    Residuals,
    float64,
    means,
    merge,
    on_cpu,
    on_host,
    residuals,
    total,
)
from gaussft_jax.gaussian.shrinkage import Covariance, ledoit_wolf

__all__ = ["Batches", "fit_gaussians", "fit_means", "gaussian_from_moments"]

Batches = Iterable[tuple[tuple[Float[Array, "n h w c"], ...], Bool[Array, " n"]]]


def fit_gaussians(
    batches: Callable[[], Batches], kind: Kind = "tied", covariance: Covariance = ledoit_wolf
) -> tuple[Gaussian | LowRankGaussian, ...]:
    """One Gaussian per level, fitted by maximum likelihood with Ledoit-Wolf shrinkage.

    The features are asked for twice, once for the means and once for the residuals, and not kept:
    memory is that of one batch, whatever the number of images. Only local Gaussians of no more
    images than features keep those levels, in the place of larger matrices.

    Args:
        batches: each call streams the training images anew as (levels, valid): a tuple of float32
            [n h w c], and bool [n], False for images that only pad the batch.
        kind: `tied` (a mean per location, one covariance), `global` (one of each) or `local` (one
            of each per location; a `LowRankGaussian` where images are fewer than features).
        covariance: from residual moments to covariance and shrinkage.

    Raises:
        ValueError: fewer than two images, or a covariance without a finite Cholesky factor; the
            message names level, rows and features.

    Reference:
        Section 3 of the paper.
    """
    first = _first_pass(batches, kind)
    for level, moments in enumerate(first):
        if int(moments.count) < 2:
            raise ValueError(
                f"level {level}: a mean of {int(moments.count)} feature leaves no variance; "
                "a Gaussian needs at least 2 images"
            )
    location_means = tuple(level.mean for level in first)
    # Local Gaussians of no more images than features keep the features: they are the smaller.
    keep = kind == "local" and covariance is ledoit_wolf
    kept = tuple([] if keep and int(m.count) <= m.total.shape[-1] else None for m in first)

    def second_moments(levels, valid):
        real = on_host(valid) if keep else None
        for rows, features in zip(kept, levels, strict=True):
            if rows is not None:
                rows.append(on_host(features)[real])
        return tuple(
            residuals(features, valid, mean, kind=kind) if rows is None else None
            for features, mean, rows in zip(levels, location_means, kept, strict=True)
        )

    second = _accumulate(second_moments(*batch) for batch in batches())
    return tuple(
        gaussian_from_moments(m, r, level, covariance)
        if rows is None
        else _finite(fit_low_rank(np.concatenate(rows)), level, int(m.count))
        for level, (m, r, rows) in enumerate(zip(first, second, kept, strict=True))
    )


def fit_means(batches: Callable[[], Batches]) -> tuple[Float[Array, "h w c"], ...]:
    """The mean feature at every location of each level, float32 [h w c].

    Args:
        batches: as in `fit_gaussians`, asked once.
    """
    found = (np.asarray(level.mean, np.float32) for level in _first_pass(batches, "tied"))
    return tuple(map(jnp.asarray, found))


def gaussian_from_moments(
    first: Means, second: Residuals, level: int = 0, covariance: Covariance = ledoit_wolf
) -> Gaussian:
    """The Gaussian of the accumulated moments of one level.

    Args:
        first: sums of all images' features.
        second: sums of all images' residuals.
        level: for the error message.
        covariance: as in `fit_gaussians`.

    Raises:
        ValueError: see `fit_gaussians`.
    """
    with on_cpu():
        sigma, shrinkage = covariance(jax.tree.map(np.asarray, second))
        arrays = [np.asarray(x, np.float32) for x in (first.mean, _whitening(sigma), shrinkage)]
    return _finite(Gaussian(*map(jnp.asarray, arrays)), level, int(second.count))


def _finite(gaussian, level, rows):
    if not all(np.isfinite(leaf).all() for leaf in gaussian):
        raise ValueError(
            f"level {level}: the covariance of {gaussian.mean.shape[-1]} features from {rows} rows "
            "has no finite Cholesky factor. Are all images the same, or do the features hold NaN?"
        )
    return gaussian


def _first_pass(batches, kind):
    return _accumulate(
        tuple(means(level, valid, kind=kind) for level in levels) for levels, valid in batches()
    )


def _accumulate(moments):
    sums = None
    for batch in moments:
        sums = batch if sums is None else merge(sums, batch)
    if sums is None:
        raise ValueError("no images to fit a Gaussian to")
    # The factors are computed from the host's copy: once, not by every device.
    return tuple(level and total(level) for level in sums)


@float64
def _whitening(covariance):
    factor = jnp.linalg.cholesky(covariance)
    eye = jnp.broadcast_to(jnp.eye(covariance.shape[-1]), covariance.shape)
    return jnp.swapaxes(solve_triangular(factor, eye, lower=True), -1, -2)
