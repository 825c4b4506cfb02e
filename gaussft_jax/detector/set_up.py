"""A set-up from good images alone: image size, methods, and whether parts lie in any direction."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8

from gaussft_jax import methods
from gaussft_jax.backbones import Backbone, LevelStore, Variables
from gaussft_jax.data import folds
from gaussft_jax.evaluation import auroc
from gaussft_jax.methods import Method
from gaussft_jax.methods.ensemble import BLOCK
from gaussft_jax.methods.patchcore import patches
from gaussft_jax.scoring import Scorer

__all__ = ["AUTO", "PAPER_SIZE", "Candidate", "SetUp", "affordable", "choose"]

AUTO = "auto"
"""The name by which a set-up is asked for in place of a method."""

PAPER_SIZE = 224
"""The side of the paper's images, pixels."""

_SIZES = (448, 320, PAPER_SIZE)
_BANKS = (2048, 1024)
_FEWEST = 25  # images, of which a fifth of a fold's fit is enough to standardise by
_ENOUGH = 50  # images, whose AUROC by chance alone rarely leaves 0.5 by 0.1
_TURNS = ("90", "180", "270")  # degrees
_TOLD_APART = 0.75  # AUROC, half way between never and always


class Candidate(NamedTuple):
    """An image size and a memory bank, and what judging an image costs with them.

    Attributes:
        image_size: pixels.
        bank: patches that PatchCore keeps.
        cost: in multiply-adds, over those of the paper's detector at 224 px.
    """

    image_size: int
    bank: int
    cost: float


class SetUp(NamedTuple):
    """What is fitted, to which images, and why.

    Attributes:
        method: to fit.
        any_direction: whether parts lie in any direction.
        record: what was considered and found, ready for JSON; `why` has a sentence for each
            choice. None where nothing was to be chosen.
    """

    method: Method
    any_direction: bool = False
    record: dict[str, Any] | None = None

    def count(self, n: int) -> int:
        """How many images are fitted to where there are n, at least 5 in any direction."""
        return -(-n // BLOCK) * 4 * BLOCK if self.any_direction else n

    def fitted(self, images: UInt8[np.ndarray, "n s s 3"]) -> UInt8[np.ndarray, "m s s 3"]:
        """The images that the method is fitted to, m = n, or 4 n with all right angles.

        Turned ones come in blocks with all their copies, so that an `Ensemble`, which holds the
        last of each block out, holds out all copies of an image or none. The last block is filled
        up by images of the first.
        """
        if not self.any_direction:
            return images
        rest = len(images) % BLOCK
        if rest:
            images = np.concatenate([images, images[rest:BLOCK]])
        blocks = np.split(images, len(images) // BLOCK)
        return np.concatenate(
            [np.rot90(block, turns, (1, 2)) for block in blocks for turns in range(4)]
        )


def affordable(
    backbone: Backbone, budget: float, models: int, image_size: int = 0
) -> tuple[Candidate, tuple[Candidate, ...]]:
    """The candidate to take, and all of them: large images before small, large banks before small.

    Costs are counted, so that they are the same on every machine: those of the network, and for
    each model the products with the Cholesky factors and with the bank, of which two take as long
    as one multiply-add of the network.

    Args:
        backbone: the network.
        budget: times the cost of the paper's detector with as many models; the cheapest candidate
            is taken where none is within it.
        models: of the detector.
        image_size: the only one to choose, pixels; 0 for any.
    """
    paper = _cost(backbone, backbone.nearest_size(PAPER_SIZE), 0, models)
    sizes = sorted(
        {*map(backbone.nearest_size, _SIZES), *([image_size] if image_size else [])}, reverse=True
    )
    candidates = tuple(
        Candidate(size, bank, round(_cost(backbone, size, bank, models) / paper, 2))
        for size in sizes
        for bank in _BANKS
    )
    possible = [x for x in candidates if image_size in (0, x.image_size)]
    within = [x for x in possible if x.cost <= budget]
    return (within or sorted(possible, key=lambda x: x.cost))[0], candidates


def choose(
    backbone: Backbone,
    variables: Variables,
    images: UInt8[np.ndarray, "n s s 3"],
    budget: float,
    models: int,
    tuned: bool = False,
    store: LevelStore | None = None,
) -> SetUp:
    """Choose from good images what finds defects in images like them.

    Parts that are presented alike have a mean for each place of the image. Whether they are is
    seen by the paper's tied Gaussians, fitted to four fifths of the images: they tell the others,
    turned by a right angle, from the same as they were, unless the parts lie in any direction.
    Then a mean for each place is wrong, and turned images are good images to fit to as well.

    Args:
        backbone: the network.
        variables: its weights.
        images: good ones, of the size to be judged.
        budget: as for `affordable`.
        models: of the detector.
        tuned: whether the network is to be tuned to the images.
        store: of levels, which the fit asks for again.
    """
    size = images.shape[1]
    chosen, candidates = affordable(backbone, budget, models, size)
    limit = f"the budget is {budget:g}"
    if chosen.cost > budget:
        limit += ", which nothing is within"
    why = [
        f"{size} px and a bank of {chosen.bank} patches: {chosen.cost:.1f} times the cost of the "
        f"paper's detector, {limit}"
    ]
    record = {"budget": budget, "cost": chosen.cost, "turned": None, "any_direction": False}
    record["considered"] = [candidate._asdict() for candidate in candidates]
    options = {"patchcore_fraction": 1.0, "patchcore_most": chosen.bank}
    if len(images) < _FEWEST:
        alone = methods.create("gaussian") if tuned else methods.create("patchcore", **options)
        why.append(
            f"{alone.name} alone: from {_FEWEST} good images on there are enough to add methods by "
            f"their spread, there are {len(images)}"
        )
        return SetUp(alone, record={**record, "why": why})
    turned = _turned(Scorer(backbone, methods.create("gaussian"), store=store), variables, images)
    any_direction = max(turned.values()) < _TOLD_APART
    if any_direction and tuned:
        raise ValueError(
            "the parts lie in any direction, where no method that is chosen can be tuned to: leave "
            "the network frozen, or name a method"
        )
    found = ", ".join(f"{share:.0%} at {angle}" for angle, share in turned.items())
    found = f"good images look more anomalous when turned in {found} degrees, by chance in 50%"
    if any_direction:
        members = "gaussian_ad,patchcore"
        why.append(f"parts in any direction, turned images are fitted to as well: {found}")
    else:
        members = "gaussian,gaussian_ad,patchcore"
        why.append(f"parts presented alike, a mean for each place: {found}")
    why.append(f"an ensemble of {members.replace(',', ', ')}: no single one is best on all parts")
    record |= {"turned": turned, "any_direction": any_direction, "why": why}
    method = methods.create("ensemble", ensemble_members=members, **options)
    return SetUp(method, any_direction, record)


def _turned(
    scorer: Scorer, variables: Variables, images: UInt8[np.ndarray, "n s s 3"]
) -> dict[str, float]:
    """AUROC of held-out images turned by each angle against the same as they were.

    Of few images all are held out, each from one of five fits; the AUROC is the mean of the fits.
    """
    found, seen = [], 0
    for fitted, held_out in folds(len(images)):
        references = scorer.fit(variables, images[fitted], lambda _: None)
        as_they_were, *turned = (
            scorer.level_scores(variables, references, of_turn).mean(1)
            for of_turn in (np.rot90(images[held_out], turns, (1, 2)) for turns in range(4))
        )
        which = np.repeat([False, True], len(held_out))
        found.append([auroc(np.concatenate([as_they_were, scores]), which) for scores in turned])
        seen += len(held_out)
        if seen >= _ENOUGH:
            break
    shares = np.mean(found, 0).round(4).tolist()
    return dict(zip(_TURNS, shares, strict=True))


def _cost(backbone: Backbone, image_size: int, bank: int, models: int) -> float:
    """Multiply-adds of the network to judge an image; with a bank of 0, of the paper's method."""
    levels = backbone.abstract_levels(image_size)
    shapes = [level.shape[1:] for level in levels]
    gaussians = sum(h * w * c**2 for h, w, c in shapes)
    if bank:
        _, h, w, c = jax.eval_shape(patches, levels).shape
        gaussians += sum(c**2 for *_, c in shapes) + h * w * c * bank
    paper_size = backbone.nearest_size(PAPER_SIZE)
    network = _counted(backbone, paper_size) * (image_size / paper_size) ** 2
    return network + models * gaussians / 2


@functools.cache
def _counted(backbone: Backbone, size: int) -> float:
    """Multiply-adds of the network for an image of `size` pixels."""
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.uint8)
    return jax.jit(backbone.levels).lower(backbone.abstract(), image).cost_analysis()["flops"] / 2
