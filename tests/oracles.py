"""The same networks in PyTorch, with our variables: the oracles of the parity tests."""

import contextlib

import numpy as np
import torch
from vit_files import torch_state

__all__ = ["name_box_operators", "torch_levels"]


def torch_levels(backbone, variables: dict[str, np.ndarray], images: np.ndarray, project=None):
    """The levels [n h w c] of the network in PyTorch.

    Args:
        backbone: a network of ours.
        variables: ours, by flat name.
        images: uint8 [n h w 3].
        project: for a vision transformer, `timm` or `transformers`.
    """
    normalised = (images.astype(np.float32) - np.float32(backbone.mean)) / np.float32(backbone.std)
    x = torch.from_numpy(normalised.transpose(0, 3, 1, 2).copy())
    family = type(backbone.module).__name__
    with torch.no_grad():
        if family == "VisionTransformer":
            levels = _vit_levels(backbone, variables, x, project or _project(backbone.name))
        elif family == "ResNet":
            levels = _resnet_levels(_loaded(_resnet(backbone.name), backbone, variables), x)
        else:
            model = _loaded(_efficientnet(backbone.name, images.shape[1]), backbone, variables)
            levels = _efficientnet_levels(model, x, backbone.module.specification.repeats)
    return tuple(level.numpy().transpose(0, 2, 3, 1) for level in levels)


def _loaded(model, backbone, variables):
    """The model with our variables, each found by what `read` makes of the model's own."""
    from gaussft_jax.backbones.efficientnet import names as efficientnet
    from gaussft_jax.backbones.resnet import names as resnet

    family = resnet if "resnet" in backbone.name else efficientnet
    names = family.our_names(model.state_dict(), backbone.module.specification.repeats)
    state = {
        theirs: torch.from_numpy(_torch_shape(variables[ours], ours).copy())
        for theirs, ours in names.items()
    }
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected
    assert all("fc" in name or "num_batches" in name for name in missing), missing
    return model


def _efficientnet_levels(model, x, repeats):
    last = set(np.cumsum(repeats) - 1)
    activation = getattr(model, "_swish", None) or model._relu
    x = activation(model._bn0(model._conv_stem(x)))
    levels = [x]
    for i, block in enumerate(model._blocks):
        x = block(x)
        if i in last:
            levels.append(x)
    levels.append(activation(model._bn1(model._conv_head(x))))
    return levels


def _efficientnet(name: str, size: int):
    if "lite" in name:
        from efficientnet_lite_pytorch import EfficientNet
    else:
        from efficientnet_pytorch import EfficientNet
    # The padding of these convolutions is laid down for one image size.
    return EfficientNet.from_name(name, image_size=size).eval()


def _resnet_levels(model, x):
    levels = [model.relu(model.bn1(model.conv1(x)))]
    x = model.maxpool(levels[0])
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        x = stage(x)
        levels.append(x)
    return levels


def _resnet(name: str):
    name_box_operators()
    from torchvision import models

    return getattr(models, name.replace("-", "_"))().eval()


def name_box_operators():
    """Name torchvision's operators for boxes, which a wheel for another device cannot load.

    The package cannot be imported without them; no network here calls them.
    """
    for operator in ("nms", "qnms"):
        with contextlib.suppress(RuntimeError):  # they are there
            schema = "(Tensor boxes, Tensor scores, float threshold) -> Tensor"
            torch.library.define(f"torchvision::{operator}", schema)


def _torch_shape(array: np.ndarray, name: str) -> np.ndarray:
    if not name.endswith("/kernel"):
        return array
    if array.ndim == 4:
        return array.transpose(3, 2, 0, 1)
    if array.ndim == 3:
        return array.transpose(2, 0, 1)[:, None]
    return array.T[:, :, None, None]


def _project(name: str) -> str:
    """The project whose way of resizing position embeddings is that of the network."""
    return "transformers" if name.startswith("dinov2") else "timm"


def _vit_levels(backbone, variables, x, project):
    spec = backbone.module.specification
    state = {
        name: torch.from_numpy(np.ascontiguousarray(array))
        for name, array in torch_state(spec, variables, project).items()
    }
    name_box_operators()
    chosen = range(spec.every, spec.depth + 1, spec.every)
    if project == "timm":
        import timm

        model = timm.models.VisionTransformer(
            spec.image_size,
            spec.patch,
            embed_dim=spec.width,
            depth=spec.depth,
            num_heads=spec.heads,
            num_classes=0,
            init_values=1.0 if spec.layer_scale else None,
            reg_tokens=spec.registers,
            no_embed_class=spec.registers > 0,
            dynamic_img_size=True,
        ).eval()
        model.load_state_dict(state)
        last = [block - 1 for block in chosen]
        return model.get_intermediate_layers(x, last, reshape=True, norm=True)
    import transformers

    kind = "Dinov2WithRegisters" if spec.registers else "Dinov2"
    config = getattr(transformers, f"{kind}Config")(
        hidden_size=spec.width,
        num_hidden_layers=spec.depth,
        num_attention_heads=spec.heads,
        image_size=spec.image_size,
        patch_size=spec.patch,
        **({"num_register_tokens": spec.registers} if spec.registers else {}),
    )
    model = getattr(transformers, f"{kind}Model")(config).eval()
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert missing == ["embeddings.mask_token"]
    assert not unexpected
    hidden = model(x, output_hidden_states=True).hidden_states
    h, w = (side // spec.patch for side in x.shape[2:])
    tokens = [model.layernorm(hidden[block])[:, 1 + spec.registers :] for block in chosen]
    return [level.transpose(1, 2).reshape(len(x), -1, h, w) for level in tokens]
