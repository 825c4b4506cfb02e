"""One-class SVM: how far an image lies outside of a region that holds most of the good ones."""

import dataclasses
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gaussft_jax.memory import squared_distances
from gaussft_jax.methods.method import Method, option
from gaussft_jax.methods.pooled import Scaling, image_map, rows, scaling, side_by_side

__all__ = ["OneClassSVM", "SupportVectors"]


class SupportVectors(NamedTuple):
    """What a fitted machine keeps.

    Attributes:
        scaling: of the features.
        vectors: standardised features of k training images, float32 [k d].
        weights: of the vectors, dual coefficients, float32 [k].
        offset: the value on the boundary, float32.
    """

    scaling: Scaling
    vectors: Float[Array, "k d"]
    weights: Float[Array, " k"]
    offset: Float[Array, ""]


@dataclasses.dataclass(frozen=True)
class OneClassSVM(Method):
    """offset - sum_i weights_i exp(-|x - x_i|^2 / d): above 0 outside of the region, below inside.

    x are the standardised means of all levels, side by side. The map has a single location, so that
    it says which image is anomalous, but not where. The source works on features of one layer and
    chooses the width by validation; 1 / d is scikit-learn's `auto`.

    Attributes:
        nu: the share of the training images that may lie outside at most, above 0 and at most 1.

    Reference:
        Schölkopf et al., Estimating the support of a high-dimensional distribution, 2001, on deep
        features as in Andrews et al., Transfer representation-learning for anomaly detection, 2016.
    """

    name: ClassVar[str] = "ocsvm"
    parts: ClassVar = (SupportVectors, Scaling)

    nu: float = option(0.1, "ocsvm_nu", "share of the good images that may lie outside", share=True)

    def fit(self, batches):
        from sklearn import svm  # a second to import, and scoring does without it

        features = rows(batches, side_by_side)
        scale = scaling(features)
        fitted = svm.OneClassSVM(nu=self.nu, gamma="auto").fit(scale(features))
        found = fitted.support_vectors_, fitted.dual_coef_[0], -fitted.intercept_[0]
        return SupportVectors(scale, *(jnp.asarray(x, jnp.float32) for x in found))

    def level_maps(self, references, levels):
        x = references.scaling(side_by_side(levels))
        kernel = jnp.exp(-squared_distances(x, references.vectors) / x.shape[1])
        inside = jnp.matmul(kernel, references.weights, precision=lax.Precision.HIGHEST)
        return (image_map(references.offset - inside),)
