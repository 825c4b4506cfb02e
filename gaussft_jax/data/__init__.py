"""Data: folders of images, their pixels, folds, and the built-in photographs."""

from gaussft_jax.data.cifar10 import OneVersusRest, is_cifar10, read_cifar10
from gaussft_jax.data.folder import Category, TestImage, list_images, read_category
from gaussft_jax.data.folds import folds
from gaussft_jax.data.images import ImageError, read_image, read_images, read_mask, read_masks
from gaussft_jax.data.photographs import PHOTOGRAPHS, write_photographs

__all__ = [
    "PHOTOGRAPHS",
    "Category",
    "ImageError",
    "OneVersusRest",
    "TestImage",
    "folds",
    "is_cifar10",
    "list_images",
    "read_category",
    "read_cifar10",
    "read_image",
    "read_images",
    "read_mask",
    "read_masks",
    "write_photographs",
]
