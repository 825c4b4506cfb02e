"""Uninformed students: what small networks failed to learn of the large one's features."""

import dataclasses
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from gaussft_jax.gaussian import on_host, resize
from gaussft_jax.methods.encoder import (
    Convolution,
    Encoder,
    encode,
    initial_encoder,
    of_each,
    surrounded,
)
from gaussft_jax.methods.learner import Learner
from gaussft_jax.methods.method import Levels, option
from gaussft_jax.methods.pooled import Scaling, rows, scaling
from gaussft_jax.methods.pyramid import resolutions

__all__ = ["Class", "Students"]


class Class(NamedTuple):
    """Students and what they were taught.

    Attributes:
        teacher: standardises the network's features.
        students: of which each tells the features.
        usual: standardises their error and their variance, in this order.
    """

    teacher: Scaling
    students: tuple[Encoder, ...]
    usual: Scaling


@dataclasses.dataclass(frozen=True)
class Students(Learner):
    """(e - mean e) / std e + (v - mean v) / std v at each location: of students s_i of a teacher t.

    e = |mean_i s_i - t|^2 / d is the error of their mean, v = mean_i |s_i - mean_j s_j|^2 / d their
    variance; mean and std are those of the training images. t is the network's feature of stride 8,
    standardised; a student sees the 32 x 32 pixels around it and minimises |s_i - t|^2 / d.

    Differences from the source. There the teacher is distilled from a pre-trained network into one
    that sees as little as a student, students see 17, 33 or 65 pixels, and error and variance are
    standardised on images that they did not learn. The students here have 5 layers of up to 64
    channels; they see whole images, and take few and large steps: Adam 1e-3 instead of 1e-4.

    Attributes:
        count: students.
        epochs: over the training images.
        seed: of their weights, and of the order.

    Reference:
        Bergmann, Fauser, Sattlegger and Steger, Uninformed students: student-teacher anomaly
        detection with discriminative latent embeddings, 2020.
    """

    name: ClassVar[str] = "students"
    optimiser: ClassVar = optax.chain(optax.add_decayed_weights(1e-5), optax.adam(1e-3))
    batch_size: ClassVar[int] = 2
    parts: ClassVar = (Class, Scaling, Convolution)

    count: int = option(3, "students_count", "how many students", 1)
    epochs: int = option(10, "students_epochs", "passes of the students over the images", 1)
    seed: int = option(0, "students_seed", "of the students' weights and of the order", 0)

    def fit(self, batches, folder=None):
        images, features = rows(batches, _seen)
        teacher = scaling(features.reshape(-1, features.shape[-1]))
        examples = images, teacher(features)
        rng = np.random.default_rng(self.seed)
        start = tuple(initial_encoder(rng, features.shape[-1]) for _ in range(self.count))
        students = self.learnt(_loss, start, examples, folder)
        found = on_host(of_each(_errors, students, examples))
        return Class(teacher, students, scaling(found.reshape(-1, 2)))

    def level_maps(self, references, levels):
        image, feature = _seen(levels)
        found = _errors(references.students, (image, references.teacher(feature)))
        return (references.usual(found).sum(-1),)


def _seen(levels: Levels) -> Levels:
    """The image, and the feature of stride 8 at each of its 8 x 8 pixels."""
    image, others = levels[0], levels[1:]
    h, w = (-(-length // 8) for length in image.shape[1:3])
    return image, resize(resolutions(others)[2], h, w)


def _told(students, images) -> Float[Array, "k n h w d"]:
    patches = surrounded(images)
    return jnp.stack([encode(student, patches) for student in students])


def _loss(method, students, examples, key) -> Float[Array, " n"]:
    images, features = examples
    return jnp.square(_told(students, images) - features).mean((0, 2, 3, 4))


def _errors(students, examples) -> Float[Array, "n h w 2"]:
    images, features = examples
    told = _told(students, images)
    error = jnp.square(told.mean(0) - features).mean(-1)
    return jnp.stack([error, told.var(0).mean(-1)], -1)
