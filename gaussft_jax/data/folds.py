"""The split of the training images into folds."""

import numpy as np
from jaxtyping import Int

__all__ = ["folds"]


def folds(
    n: int, count: int = 5, seed: int = 0
) -> tuple[tuple[Int[np.ndarray, "_"], Int[np.ndarray, "_"]], ...]:
    """The indices to train and to validate on, per fold: shuffled k-fold over the sorted images.

    The folds are those of scikit-learn's `KFold`, without its second to import.

    Args:
        n: number of training images.
        count: number of folds.
        seed: of the shuffle.

    Returns:
        Per fold int [n - n / count] to train on and int [n / count] to validate on, each ascending.

    Raises:
        ValueError: there are fewer images than folds.
    """
    if n < count:
        raise ValueError(
            f"{n} training images cannot make {count} folds: add good images or ask for fewer folds"
        )
    parts = np.array_split(np.random.RandomState(seed).permutation(n), count)
    return tuple((np.setdiff1d(np.arange(n), part), np.sort(part)) for part in parts)
