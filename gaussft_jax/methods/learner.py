"""What methods have in common that learn small networks of their own from pixels."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import optax

from gaussft_jax.learning import Lesson, learn
from gaussft_jax.methods.method import Method

__all__ = ["Learner"]


@dataclasses.dataclass(frozen=True)
class Learner(Method):
    """A method with the options `epochs`, over the examples, and `seed`, of all that is drawn.

    Attributes:
        optimiser: one object for all lessons, so that they are compiled once.
        batch_size: examples of a step.
    """

    learns: ClassVar[bool] = True
    pixels: ClassVar[bool] = True
    optimiser: ClassVar[optax.GradientTransformation] = optax.adam(1e-3)
    batch_size: ClassVar[int] = 4

    def learnt(self, loss: Callable, start: Any, examples: Any, folder: Path | None) -> Any:
        """The parameters that a lesson makes of `start`; arguments as for `learning`."""
        lesson = Lesson(self, loss, self.optimiser, self.epochs, self.batch_size)
        return learn(lesson, start, examples, self.seed, label=self.name, folder=folder)
