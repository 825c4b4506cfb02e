"""Data: folders of images, their pixels, folds, and the built-in photographs."""

from gaussft_jax.data.cifar10 import OneVersusRest, is_cifar10, read_cifar10
from gaussft_jax.data.folder import (
    GOOD,
    Category,
    ImageFile,
    TestImage,
    categories,
    list_images,
    read_category,
    read_test,
)
from gaussft_jax.data.folds import folds
from gaussft_jax.data.images import ImageError, read_image, read_images, read_mask, read_masks
from gaussft_jax.data.photographs import PHOTOGRAPHS, write_photographs
from gaussft_jax.data.tfds_source import is_tfds, read_tfds_category

__all__ = [
    "GOOD",
    "PHOTOGRAPHS",
    "Category",
    "ImageError",
    "ImageFile",
    "OneVersusRest",
    "TestImage",
    "categories",
    "folds",
    "is_cifar10",
    "is_tfds",
    "list_images",
    "read_category",
    "read_cifar10",
    "read_image",
    "read_images",
    "read_mask",
    "read_masks",
    "read_test",
    "read_tfds_category",
    "write_photographs",
]
