r"""The recipe with each level measured in its own spread over good images.

python -m gaussft_jax.main --config=configs/mvtec_guarded.py:CATEGORY --workdir=runs/CATEGORY \
    --config.data.root=MVTEC_ROOT

Tuning shrinks the distances of the deep levels most. In a plain sum the levels that tuning left
alone then decide, also where they know nothing of defects; here the clean validation images, after
each epoch, set the weights of the levels for the vicinity AUROC and for the final score.
"""

from configs import mvtec


def get_config(category: str = ""):
    """The paper's recipe with standardised levels, at ten times its learning rate."""
    config = mvtec.get_config(category)
    config.level_weights = "standardised"
    config.learning_rate = 1e-5
    return config
