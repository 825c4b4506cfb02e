"""HSC: a hypersphere classifier of whole images, trained against synthetic anomalies."""

import dataclasses
from typing import ClassVar

from gaussft_jax.gaussian import fit_means
from gaussft_jax.methods.fcdd import hypersphere_loss, pseudo_huber_map
from gaussft_jax.methods.method import Method, streamed
from gaussft_jax.methods.pooled import pooled

__all__ = ["HSC"]


@dataclasses.dataclass(frozen=True)
class HSC(Method):
    """Equation 2 on the mean of each level: h(x) of a good image, -log(1 - exp(-h(x))) of another.

    h is the pseudo-Huber distance to the mean of the good images. Its maps have a single location.
    In the source h is that of the last layer of a network which is trained from scratch, to a
    centre that the network may move; here it is the mean over the levels of a pre-trained one, to
    where they were, and the vicinity takes the place of other photographs as anomalies.

    Reference:
        Ruff et al., Rethinking assumptions in deep anomaly detection, 2020.
    """

    name: ClassVar[str] = "hsc"
    tunable: ClassVar[bool] = True
    exposure: ClassVar[float] = 0.5

    def fit(self, batches):
        return fit_means(streamed(batches, pooled))

    def level_maps(self, references, levels):
        return tuple(map(pseudo_huber_map, references, pooled(levels)))

    def loss(self, maps, masks):
        return hypersphere_loss(maps, masks)
