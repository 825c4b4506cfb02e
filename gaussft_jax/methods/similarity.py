"""How alike two images are at each pixel: in their edges, and in their structure."""

import numpy as np
from jaxtyping import Array, Float

from gaussft_jax.gaussian import correlate, resize, safe_sqrt
from gaussft_jax.methods.pyramid import smooth

__all__ = ["gradient_similarity", "multi_scale_similarity", "structural_similarity"]

Images = Float[Array, "n h w c"]

_SCALES = 4
_SAME = 0.0026  # squared gradients far below it do not count
_SIGMA = 1.5  # of the window of the structure, pixels
_LUMINANCE, _CONTRAST = 0.01**2, 0.03**2


def gradient_similarity(a: Images, b: Images) -> Images:
    """(2 g(a) g(b) + c) / (g(a)^2 + g(b)^2 + c), at most 1, in each channel.

    g is the length of the gradient by Prewitt's 3 x 3 filters, mirrored at the border; c = 0.0026.

    Args:
        a: images, float32 [n h w c], from 0 to 1.
        b: others.

    Returns:
        float32 [n h w c].

    Reference:
        Xue, Zhang, Mou and Bovik, Gradient magnitude similarity deviation, 2014, equation 4.
    """
    g, h = _gradient(a), _gradient(b)
    return (2 * g * h + _SAME) / (g**2 + h**2 + _SAME)


def _gradient(x: Images) -> Images:
    mean, difference = np.full(3, 1 / 3), np.array([1.0, 0.0, -1.0])
    down, across = correlate(x, difference, mean), correlate(x, mean, difference)
    return safe_sqrt(down**2 + across**2)


def multi_scale_similarity(a: Images, b: Images) -> Images:
    """The mean of `gradient_similarity` at scales 1, 1/2, 1/4 and 1/8, each enlarged bilinearly.

    Args:
        a: images, float32 [n h w c], from 0 to 1.
        b: others.

    Returns:
        float32 [n h w c].

    Reference:
        Zavrtanik, Kristan and Skočaj, Reconstruction by inpainting for visual anomaly
        detection, 2020.
    """
    h, w = a.shape[1:3]
    total = gradient_similarity(a, b)
    for scale in range(1, _SCALES):
        smaller = [resize(x, -(-h // 2**scale), -(-w // 2**scale)) for x in (a, b)]
        total += resize(gradient_similarity(*smaller), h, w)
    return total / _SCALES


def structural_similarity(a: Images, b: Images) -> Images:
    """SSIM: (2 m m' + c) (2 v' + d) / ((m^2 + m'^2 + c) (v^2 + v''^2 + d)), in each channel.

    Under a Gaussian window of 1.5 pixels, m and m' are the means of a and b, v^2 and v''^2 their
    variances, v' is their covariance; c = 0.01^2 and d = 0.03^2.

    Args:
        a: images, float32 [n h w c], from 0 to 1.
        b: others.

    Returns:
        float32 [n h w c], -1 to 1.

    Reference:
        Wang, Bovik, Sheikh and Simoncelli, Image quality assessment, 2004, equation 13.
    """
    mean_a, mean_b, square_a, square_b, product = (
        smooth(x, _SIGMA) for x in (a, b, a * a, b * b, a * b)
    )
    covariance = product - mean_a * mean_b
    variances = square_a - mean_a**2 + square_b - mean_b**2
    luminance = (2 * mean_a * mean_b + _LUMINANCE) / (mean_a**2 + mean_b**2 + _LUMINANCE)
    return luminance * (2 * covariance + _CONTRAST) / (variances + _CONTRAST)
