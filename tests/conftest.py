"""Fixtures of all tests; array annotations are enforced while the tests run."""

import os
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from PIL import Image

jaxtyping.install_import_hook("gaussft_jax", "beartype.beartype")
os.environ["GAUSSFT_IMAGE_CACHE_GB"] = "0"  # tests leave nothing behind

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def rng(request) -> np.random.Generator:
    """Fresh random numbers in every run; the seed is shown where a test fails."""
    seed = int.from_bytes(os.urandom(4), "little")
    request.node.user_properties.append(("seed", seed))
    print(f"seed {seed}")
    return np.random.default_rng(seed)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real categories, or a skip where it is absent."""
    folder = Path(os.environ.get("GAUSSFT_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "magnetic_tile").is_dir():
        pytest.skip(f"no real photographs in {folder}; set GAUSSFT_DATA")
    return folder


def tiny_network(repeats=2):
    """A network of the family that is small enough to be trained in a test, and its variables.

    Its first stage has one block, the six others `repeats`.
    """
    from gaussft_jax import backbones

    strides = (1, 2, 2, 2, 1, 1, 1)
    stages = tuple(backbones.Stage(1, 8, 3, s, repeats if i else 1) for i, s in enumerate(strides))
    module = backbones.EfficientNet(backbones.Specification(8, stages, 16, 32))
    backbone = backbones.Backbone("tiny", module, 32, (127.0,) * 3, (64.0,) * 3)
    variables = jax.jit(module.init)(jax.random.key(3), jnp.zeros((1, 32, 32, 3)))
    return backbone, jax.tree.map(np.asarray, variables)


def striped_images() -> np.ndarray:
    """Good images: noisy stripes, uint8 [24 32 32 3]."""
    rng = np.random.default_rng(0)
    wave = 128 + 60 * np.sin(np.arange(32) / 2)[None, None, :, None]
    return (wave + rng.normal(scale=12, size=(24, 32, 32, 3))).clip(0, 255).astype(np.uint8)


tiny = pytest.fixture(tiny_network, scope="session", name="tiny")
stripes = pytest.fixture(striped_images, scope="session", name="stripes")


@pytest.fixture(scope="session")
def parts(tmp_path_factory):
    """Two categories of 15 good and 6 test images, 64 px; the second has no masks."""
    root = tmp_path_factory.mktemp("parts of mine")
    rng = np.random.default_rng(0)
    for label, count in (("train/good", 15), ("test/good", 3), ("test/dent", 3)):
        folder = root / "bolt" / label
        folder.mkdir(parents=True)
        for i in range(count):
            image = rng.integers(90, 150, (64, 64, 3)).astype(np.uint8)
            if label == "test/dent":
                image[20:40, 10:30] = 0
                mask = np.zeros((64, 64), np.uint8)
                mask[20:40, 10:30] = 255
                truth = root / "bolt" / "ground_truth" / "dent"
                truth.mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(truth / f"{i}_mask.png")
            Image.fromarray(image).save(folder / f"{i}.png")
    shutil.copytree(root / "bolt", root / "nut")
    shutil.rmtree(root / "nut" / "ground_truth")
    return root
