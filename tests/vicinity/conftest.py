"""Photographs and noise of any size."""

import numpy as np
import pytest
import skimage.data
from PIL import Image


@pytest.fixture(scope="session")
def photographs():
    """The photographs that ship with scikit-image, as RGB images of Pillow."""
    names = ("brick", "gravel", "grass", "astronaut", "coffee")
    return [Image.fromarray(getattr(skimage.data, name)()).convert("RGB") for name in names]


@pytest.fixture
def pictures(photographs, rng):
    """Of a height and a width: the photographs, noise, dark noise and a constant image."""

    def resized(height, width):
        noise = rng.integers(0, 256, (height, width, 3), np.uint8)
        return [
            *(np.asarray(each.resize((width, height))) for each in photographs),
            noise,
            noise // 9 + np.array([0, 20, 100], np.uint8),
            np.full_like(noise, 77),
        ]

    return resized
