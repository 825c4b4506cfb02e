"""What a function amounts to on a platform that is not here, as StableHLO text."""

import functools
import re

import jax

__all__ = ["how_often", "inexact", "lowered", "products"]

_PRODUCT = r"stablehlo\.(?:dot_general|convolution)\b.*"


def lowered(function, *args, platform):
    """The program of a function, jitted here if it is not yet, for a platform."""
    jitted = function if hasattr(function, "trace") else jax.jit(function)
    return jitted.trace(*args).lower(lowering_platforms=(platform,)).as_text()


def products(function, *args, platform):
    """The matrix products and convolutions of a function, a line for each."""
    return re.findall(_PRODUCT, lowered(function, *args, platform=platform))


def inexact(lines):
    """Those that round their factors: those not at the precision HIGHEST."""
    floats = [line for line in lines if re.search(r"-> tensor<(?:[\dx?]*x)?f32>", line)]
    return [line for line in floats if line.count("HIGHEST") != 2]


def how_often(pattern, program):
    """How many lines with the pattern there are once every call is replaced by what it calls.

    Equal layers are one function in the text, called for each; a loop's body counts once.
    """
    bodies = {
        re.search(r"@([\w.]+)", body)[1]: body
        for body in re.split(r"(?m)^  func\.func ", program)[1:]
    }

    @functools.cache
    def count(name):
        body = bodies[name]
        called = re.findall(r"\bcall @([\w.]+)", body)
        return len(re.findall(pattern, body)) + sum(map(count, called))

    return count("main")
