"""The same networks in PyTorch, with our variables: the oracles of the parity tests."""

import numpy as np
import torch

from gaussft_jax.weights.renaming import our_names

__all__ = ["torch_levels"]


def torch_levels(backbone, variables: dict[str, np.ndarray], images: np.ndarray):
    """The nine levels [n h w c] of the network in PyTorch.

    Args:
        backbone: a network of ours, B or Lite.
        variables: ours, by flat name.
        images: uint8 [n s s 3].
    """
    model = _model(backbone.name, images.shape[1])
    names = our_names(model.state_dict(), backbone.repeats)
    state = {
        theirs: torch.from_numpy(_torch_shape(variables[ours], ours).copy())
        for theirs, ours in names.items()
    }
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected
    assert all("_fc" in name or "num_batches" in name for name in missing), missing
    normalised = (images.astype(np.float32) - np.float32(backbone.mean)) / np.float32(backbone.std)
    x = torch.from_numpy(normalised.transpose(0, 3, 1, 2).copy())
    last = set(np.cumsum(backbone.repeats) - 1)
    with torch.no_grad():
        activation = getattr(model, "_swish", None) or model._relu
        x = activation(model._bn0(model._conv_stem(x)))
        levels = [x]
        for i, block in enumerate(model._blocks):
            x = block(x)
            if i in last:
                levels.append(x)
        levels.append(activation(model._bn1(model._conv_head(x))))
    return tuple(level.numpy().transpose(0, 2, 3, 1) for level in levels)


def _model(name: str, size: int):
    if "lite" in name:
        from efficientnet_lite_pytorch import EfficientNet
    else:
        from efficientnet_pytorch import EfficientNet
    # The padding of these convolutions is laid down for one image size.
    return EfficientNet.from_name(name, image_size=size).eval()


def _torch_shape(array: np.ndarray, name: str) -> np.ndarray:
    if not name.endswith("/kernel"):
        return array
    if array.ndim == 4:
        return array.transpose(3, 2, 0, 1)
    if array.ndim == 3:
        return array.transpose(2, 0, 1)[:, None]
    return array.T[:, :, None, None]
