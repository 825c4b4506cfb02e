"""An application in this process, and photographs to send to it."""

import io

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from gaussft_jax.inspection import Inspector
from gaussft_jax.serving import Limits, create_app

LIMITS = Limits(megabytes=2.0, megapixels=1.0, images=5)


@pytest.fixture(scope="session")
def inspector(tiny_detector):
    return Inspector(tiny_detector, 0.2)


@pytest.fixture
def client(inspector):
    with TestClient(create_app(inspector, "<b>stripes</b>", LIMITS)) as client:
        yield client


def encoded(image, form="png", **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, form, **options)
    return file.getvalue()


@pytest.fixture
def photograph(rng):
    """Of noise, oblong, as a file."""
    return encoded(rng.integers(0, 256, (40, 70, 3), np.uint8))


def ask(client, *photographs, names=None):
    names = names or [f"{i}.png" for i in range(len(photographs))]
    return client.post(
        "/judge",
        files=[("images", given) for given in zip(names, photographs, strict=True)],
    )
