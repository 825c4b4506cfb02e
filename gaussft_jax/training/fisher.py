"""How much the pre-trained features hang on each tuned parameter: its Fisher information."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float

from gaussft_jax import parallel
from gaussft_jax.backbones import Backbone, Variables
from gaussft_jax.learning import in_batches
from gaussft_jax.methods.pooled import scaling, side_by_side
from gaussft_jax.network import Images, Network
from gaussft_jax.parallel import REPLICATED
from gaussft_jax.training.parameters import join
from gaussft_jax.training.state import ROWS

__all__ = ["feature_spread", "make_fisher"]


def make_fisher(
    backbone: Backbone, parallelism: parallel.Parallelism = "jit"
) -> Callable[..., dict[str, Any]]:
    """A jitted function to the diagonal of the tuned parameters' Fisher information.

    F_i = mean over images of E[(d log p(y | x) / d w_i)^2], y ~ N(f(x), diag(s^2)), where f(x) are
    the means of all levels over their locations, and s how much they vary over good images. That
    is the sum of (df / dw_i)^2 / s^2 over the features, estimated by a single y for each image.

    The source's task is the classification that the network was trained for. Here it has neither
    labels nor images, and the regression of its own features stands in.

    Args:
        backbone: the network.
        parallelism: as for `parallel.spmd`.

    Returns:
        (data of a random key, s, tuned, fixed, good images) -> {path: float32, as of `tuned`}.

    Reference:
        Kirkpatrick et al., Overcoming catastrophic forgetting in neural networks, 2017; Reiss,
        Cohen, Bergman and Hoshen, PANDA: adapting pretrained features for anomaly detection and
        segmentation, 2021.
    """
    devices = parallel.mesh().size

    def fisher(key, spread, tuned, fixed, images):
        n, key = len(images.place), jax.random.wrap_key_data(key)

        def add(total, xs):
            """One image on each device: the squares of all together are of no use."""
            image = parallel.gather_rows(images, xs[0])
            (number,), (real,) = map(parallel.local_shard, xs)
            noise = jax.random.normal(jax.random.fold_in(key, number), spread.shape)

            def log_likelihood(tuned):  # but for terms without a gradient
                features = side_by_side(backbone.levels(join(tuned, fixed), image))
                return jnp.vdot(noise / spread, features[0])

            gradient = jax.grad(log_likelihood)(tuned)
            return jax.tree.map(lambda x, g: x + real * jnp.square(g), total, gradient), None

        zeros = jax.tree.map(jnp.zeros_like, tuned)
        total, _ = lax.scan(add, zeros, in_batches(jnp.arange(n), devices))
        return jax.tree.map(lambda x: x / n, parallel.psum(total))

    specs = (*(REPLICATED,) * 4, ROWS)
    return parallel.spmd(fisher, specs, REPLICATED, parallelism)


def feature_spread(
    backbone: Backbone, variables: Variables, images: Images
) -> Float[np.ndarray, " d"]:
    """The standard deviation of each feature's mean over the image, 1 where it is constant.

    Args:
        backbone: the network.
        variables: pre-trained.
        images: good ones.
    """
    (features,) = Network(backbone, variables).apply(_pooled, None, images)
    return np.asarray(scaling(features).std)


def _pooled(key, levels, size):
    return (side_by_side(levels),)
