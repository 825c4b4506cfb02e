r"""The frozen network: Gaussians of pre-trained features, nothing tuned.

python -m gaussft_jax.main --config=configs/frozen.py:CATEGORY --workdir=runs/CATEGORY \
    --config.data.root=MVTEC_ROOT

Five folds on two CPU cores take 25 s; image AUROC 84.10 on the magnetic tiles, 89.35 on the pills.
"""

from gaussft_jax.configuration import default_config


def get_config(category: str = ""):
    """Five folds of EfficientNet-Lite0 at 224 px with tied Gaussians and max aggregation."""
    config = default_config()
    config.data.category = category
    return config
