"""A network with its weights, applied to any number of images by all devices of all processes."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, UInt8
from tqdm import tqdm

from gaussft_jax import parallel
from gaussft_jax.backbones import Backbone, Levels, LevelStore, Variables
from gaussft_jax.gaussian import Batches
from gaussft_jax.lowering import by_platform

__all__ = ["Images", "Network", "OfLevels", "Progress", "few_at_a_time", "images_at_once"]

Images = UInt8[np.ndarray, "_n s s 3"] | parallel.Share

OfLevels = Callable[..., tuple[Array, ...]]

Progress = Callable[[int], object]

_CACHED_PIXELS = 2 * 224 * 224


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """A backbone with its weights; its functions are compiled once for all images of one size.

    All devices of all processes work on each batch. Images are an array that every process has
    whole, or the `parallel.Share` of each; what comes out is of all images, in every process.

    Attributes:
        backbone: the network.
        variables: its weights; they travel to the devices once.
        batch_size: images per call; 0 for `parallel.images_per_call`. A single image goes alone.
        store: keeps the levels of a network that stays frozen, for images that come again.
    """

    backbone: Backbone
    variables: Variables
    batch_size: int = 0
    store: LevelStore | None = None

    def batches(self, images: Images, progress: Progress = lambda count: None) -> Batches:
        """The levels of all images, batch by batch, and which images do not only fill up.

        Args:
            images: RGB, uint8 [n s s 3], or a share.
            progress: is told of how many images each batch was.
        """
        levels = self._levels()
        for batch, valid in self._counted(parallel.share(images), progress):
            yield levels(batch, valid), valid

    def apply(
        self,
        function: OfLevels,
        key: Any,
        images: Images,
        *others: Any,
        progress: str | None = None,
    ) -> tuple[np.ndarray, ...]:
        """A pure function of every image's levels, compiled as one with the network.

        Args:
            function: (key, levels, image size, *others) -> arrays with an entry for each image.
            key: a static argument of it, a method for example; it is compiled once for equal ones.
            images: RGB, uint8 [n s s 3], or a share.
            others: pytrees of arrays, with `parallel.device_put` done before or not.
            progress: label of a progress bar; None shows none.

        Returns:
            The arrays of all images, on the host.
        """
        others, images = parallel.device_put(others), parallel.share(images)
        if self._remembers:
            levels, of_levels = self._levels(), _of_levels(function, key)

            def compiled(batch, valid):
                return of_levels(levels(batch, valid), batch.shape[1], others)
        else:
            both = _of_images(self.backbone, function, key)

            def compiled(batch, valid):
                return both(self._placed, batch, valid, others)

        with tqdm(total=len(images), desc=progress, unit=" images", disable=not progress) as bar:
            parts = [
                [parallel.local_rows(values) for values in compiled(batch, valid)]
                for batch, valid in self._counted(images, bar.update)
            ]
        return tuple(
            images.gather(np.concatenate(rows)[: len(images.local)])
            for rows in zip(*parts, strict=True)
        )

    @functools.cached_property
    def _placed(self) -> Variables:
        return parallel.device_put(self.backbone.module.folded(self.variables))

    @property
    def _remembers(self) -> bool:
        return self.store is not None and self.store.useful

    def _levels(self) -> Callable[[Array, Array], Levels]:
        of_images = _of_images(self.backbone, None, None)

        def levels(batch, valid):
            return of_images(self._placed, batch, valid, ())

        if not self._remembers:
            return levels

        def of_all(batch):  # the store keeps what fills up a batch, too
            return levels(batch, np.ones(len(batch), bool))

        remembered = self.store.remembering(self.backbone, self.variables, of_all)
        return lambda batch, valid: remembered(batch)

    def _counted(self, images: parallel.Share, progress: Progress) -> Iterator[tuple[Array, Array]]:
        left = len(images)
        # Two shapes, and so two compilations, for any number of images.
        size = 1 if left == 1 else self.batch_size or parallel.images_per_call()
        for batch, valid in images.batches(size):
            yield batch, valid
            real = min(len(batch), left)
            progress(real)
            left -= real


def images_at_once(count: int, size: int, gradient: bool = False) -> int:
    """How many of `count` images go through a network together.

    On a CPU the features of more than a few fall out of its cache: Lite0 takes 12.4 ms for an image
    of 224 px among eight, 8.2 among two; at 320 px 26 among eight, 16 alone. A gradient keeps
    the features, so that half as many fit. Other devices take all.

    Args:
        count: images that there are, which the result divides.
        size: their side, pixels.
        gradient: whether one is computed.
    """
    if jax.default_backend() != "cpu":
        return count
    fitting = max(1, _CACHED_PIXELS // (1 + gradient) // size**2)
    return math.gcd(count, 2 ** int(math.log2(fitting)))


def few_at_a_time(
    function: Callable, images: UInt8[Array, "n s s 3"], valid: Bool[Array, " n"] | None = None
) -> Any:
    """`function(images)`, `images_at_once`; an image's result must not depend on the others.

    Args:
        function: from images to a pytree of arrays with an entry for each.
        images: uint8 [n s s 3].
        valid: which images are real, bool [n], all of them before any other; the others' results
            are computed only as far as they share a step. None for all.
    """
    n = images.shape[0]
    if not isinstance(n, int):  # exported for any number of images and any platform

        def alone(image):
            return jax.tree.map(lambda x: x[0], function(image[None]))

        return by_platform(images, cpu=functools.partial(lax.map, alone), default=function)
    step = images_at_once(n, images.shape[1])
    if step == n:
        return function(images)

    def body(i, results):
        part = function(lax.dynamic_slice_in_dim(images, i * step, step))
        return jax.tree.map(
            lambda whole, rows: lax.dynamic_update_slice_in_dim(whole, rows, i * step, 0),
            results,
            part,
        )

    shapes = jax.eval_shape(function, images[:step])
    zeros = jax.tree.map(lambda x: jnp.zeros((n, *x.shape[1:]), x.dtype), shapes)
    steps = n // step if valid is None else -(-valid.sum() // step)
    return lax.fori_loop(0, steps, body, zeros)


@functools.cache
def _of_images(backbone: Backbone, function: OfLevels | None, key: Any) -> Callable:
    """From (variables, images, valid, others) to levels, or to what `function` makes of them."""

    def on_device(variables, images, valid, others):
        size = images.shape[1]

        def few(images):
            levels = backbone.levels(variables, images)
            return levels if function is None else function(key, levels, size, *others)

        return few_at_a_time(few, images, valid)

    replicated, sharded = parallel.REPLICATED, parallel.SHARDED
    specs = (replicated, sharded, sharded, replicated)
    return parallel.spmd(on_device, specs, sharded, "jit")


@functools.cache
def _of_levels(function: OfLevels, key: Any) -> Callable:
    return jax.jit(
        lambda levels, size, others: function(key, levels, size, *others), static_argnums=1
    )
