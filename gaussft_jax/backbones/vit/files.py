"""Weights of vision transformers in other projects' files, under our names."""

import re
from collections.abc import Mapping

import numpy as np

from gaussft_jax.weights import rename, unknown_layout

__all__ = ["read"]

_MODULES = {
    "patch_embed.proj": "embed",
    "norm1": "attention/norm",
    "attn.qkv": "attention/qkv",
    "attn.proj": "attention/out",
    "norm2": "mlp/norm",
    "mlp.fc1": "mlp/expand",
    "mlp.fc2": "mlp/reduce",
}
_SCALES = {"ls1.gamma": "attention/layer_scale", "ls2.gamma": "mlp/layer_scale"}
# The names of `transformers`, and those of the networks' own projects; it has renamed the parts of
# the attention, and its files have either.
_TRANSFORMERS = (
    (r"^embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.", ""),
    (r"^encoder\.layer\.", "blocks."),
    (r"\.attention\.attention\.(query|key|value)\.", r".attn.\1."),
    (r"\.attention\.([qkv])_proj\.", r".attn.\1."),
    (r"\.attention\.(?:output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
    (r"^layernorm\.", "norm."),
)
_PARTS = (("query", "key", "value"), ("q", "k", "v"))
_DROPPED = re.compile(r"mask_token$|^head(_dist)?\.|^fc_norm\.")


def read(source: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The variables of a vision transformer.

    Args:
        source: arrays of a file of timm, DeiT, DINOv2 or, of DINOv2, `transformers`.

    Returns:
        float32 arrays by our `/`-joined names; what is unknown keeps its name.

    Raises:
        ValueError: the names are of no known layout.
    """
    if "embeddings.cls_token" in source:
        source = _from_transformers(source)
    if "cls_token" not in source:
        raise unknown_layout(source, ["cls_token", "embeddings.cls_token"])
    source = {name: array for name, array in source.items() if not _DROPPED.search(name)}
    tokens = _tokens(source)
    return rename(source, {name: _our_name(name) for name in source}) | tokens


def _our_name(name: str) -> str:
    match = re.fullmatch(r"(?:blocks\.(\d+)\.)?(.+)", name)
    block = f"block{int(match[1]) + 1}_" if match[1] else ""
    if match[2] in _SCALES:
        return f"params/{block}{_SCALES[match[2]]}"
    module, _, leaf = match[2].rpartition(".")
    ours = "norm" if module == "norm" and not block else _MODULES.get(module)
    if ours is None or leaf not in ("weight", "bias"):
        return name
    kind = "scale" if ours.endswith("norm") else "kernel"
    return f"params/{block}{ours}/{kind if leaf == 'weight' else leaf}"


def _tokens(source: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The learnt tokens and positions, taken out of `source`."""
    cls = source.pop("cls_token").reshape(1, -1)
    positions = source.pop("pos_embed")[0]
    registers = [source.pop(x)[0] for x in ("reg_token", "register_tokens") if x in source]
    if round(len(positions) ** 0.5) ** 2 != len(positions):  # the first is that of the class token
        cls, positions = cls + positions[:1], positions[1:]
    side = round(len(positions) ** 0.5)
    arrays = {
        "params/tokens": np.concatenate([cls, *registers]),
        "params/positions": positions.reshape(side, side, -1),
    }
    return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}


def _from_transformers(source: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same under the names of the network's own project, the parts of the attention as one."""
    arrays = {}
    for name, array in source.items():
        for theirs, ours in _TRANSFORMERS:
            name = re.sub(theirs, ours, name)
        arrays[name] = array
    for names in _PARTS:
        for first in [name for name in arrays if f".attn.{names[0]}." in name]:
            before, after = first.split(f".attn.{names[0]}.")
            parts = [f"{before}.attn.{part}.{after}" for part in names]
            if arrays.keys() >= set(parts):
                rows = [arrays.pop(part) for part in parts]
                arrays[f"{before}.attn.qkv.{after}"] = np.concatenate(rows)
    return arrays
