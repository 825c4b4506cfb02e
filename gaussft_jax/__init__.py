"""Gaussian anomaly detection by fine-tuned representations, in JAX.

The public names, each imported when it is first used, so that `gaussft --help` waits for nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "backbones": ["Backbone", "create", "load_backbone"],
        "configuration": ["default_config"],
        "data": ["list_images", "read_category", "read_images", "read_masks", "write_photographs"],
        "detector": ["Detector"],
        "evaluation": ["Scored", "aupro", "auroc", "evaluate"],
        "experiment": ["train_and_evaluate"],
        "gaussian": [
            "Gaussian",
            "anomaly_map",
            "fit_gaussians",
            "image_score",
            "ledoit_wolf",
            "mahalanobis_map",
            "whiten",
        ],
        "methods": ["Method"],
        "network": ["Network"],
        "scoring": ["Scorer"],
        "training": ["Recipe", "Tuner"],
        "vicinity": ["augmix", "confetti", "cutout", "mixture"],
    },
)
