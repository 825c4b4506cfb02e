"""How a network is tuned: every constant of section 4.2, and the alternatives to them."""

from typing import Literal, NamedTuple

__all__ = ["GUARDED", "LevelWeights", "Recipe", "Stopping"]

Stopping = Literal["vicinity", "fixed", "validation_loss"]
LevelWeights = Literal["equal", "standardised"]


class Recipe(NamedTuple):
    """The constants of fine-tuning; the defaults are the paper's.

    Attributes:
        learning_rate: of Adam.
        batch_size: images per step; the last, partial batch of an epoch is kept.
        max_epochs: where `fixed` stops, and the others at the latest.
        patience: epochs without improvement after which to stop.
        stopping: `vicinity` (largest AUROC of good images against their vicinity), `fixed` (the
            state after `max_epochs`) or `validation_loss` (smallest loss of good images).
        pretrained_competes: whether the state before training can be the best one.
        draws_per_image: vicinity draws per validation image.
        augmented: fraction of the draws that are augmented and count as anomalous.
        redraw: draw the vicinity anew in each epoch instead of once.
        level_weights: `equal`, as in equation 5, or `standardised`: in validation, and in the final
            scores and maps, each level is divided by its spread over the clean validation images.
        trainable: `all` parameters; `affine`, scale and bias of the batch normalisations;
            `level K`, those on which no level before K depends; or `adapters`, convolutions of
            1 x 1 beside all that are not depthwise, zero at first, the network itself stays.
        weight_decay: lambda of equation 1: half the squared norm of the tuned parameters times this
            is added to the loss. That of adapters is a distance to the pre-trained network.
        l2_sp: likewise of their squared distance to the pre-trained ones.
        ewc: likewise of that distance where each parameter counts by its Fisher information
            (`training.fisher`), elastic weight consolidation.
    """

    learning_rate: float = 1e-6
    batch_size: int = 8
    max_epochs: int = 250
    patience: int = 20
    stopping: Stopping = "vicinity"
    pretrained_competes: bool = True
    draws_per_image: int = 10
    augmented: float = 0.7
    redraw: bool = False
    level_weights: LevelWeights = "equal"
    trainable: str = "all"
    weight_decay: float = 0.0
    l2_sp: float = 0.0
    ewc: float = 0.0


# Needs good images alone, and forgets less: see docs/study_*.png.
GUARDED = Recipe(learning_rate=1e-5, level_weights="standardised")
