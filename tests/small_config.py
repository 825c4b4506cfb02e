"""The frozen network's configuration for processes that tests start: of `networks.SMALL`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import networks

from configs import frozen
from gaussft_jax import backbones, configuration

backbones.NETWORKS["small"] = networks.unweighted()
configuration.CHOICES["backbone"] = tuple(backbones.NETWORKS)


def get_config(category: str):
    config = frozen.get_config(category)
    config.update({**networks.FIELDS, "image_size": 64})
    return config
