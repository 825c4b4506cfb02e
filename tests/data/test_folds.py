"""The folds are scikit-learn's, and partition the images."""

import numpy as np
import pytest
from sklearn.model_selection import KFold

from gaussft_jax.data import folds


@pytest.mark.parametrize(("n", "count", "seed"), [(240, 5, 0), (5, 5, 0), (17, 3, 4)])
def test_kfold(n, count, seed):
    paths = np.array([f"{i:03d}.png" for i in range(n)])
    expected = KFold(n_splits=count, shuffle=True, random_state=seed).split(paths)
    result = folds(n, count, seed)
    assert len(result) == count
    for (train, validation), (sk_train, sk_validation) in zip(result, expected, strict=True):
        np.testing.assert_array_equal(train, sk_train)
        np.testing.assert_array_equal(validation, sk_validation)
    np.testing.assert_array_equal(np.sort(np.concatenate([v for _, v in result])), np.arange(n))


def test_five_folds_from_seed_zero_by_default():
    for (train, validation), (train_0, validation_0) in zip(
        folds(12), folds(12, 5, 0), strict=True
    ):
        np.testing.assert_array_equal(train, train_0)
        np.testing.assert_array_equal(validation, validation_0)


def test_too_few_images():
    with pytest.raises(ValueError, match="4 training images cannot make 5 folds: add good images"):
        folds(4)
