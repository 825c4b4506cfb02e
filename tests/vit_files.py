"""Variables of a vision transformer as the files of other projects hold them; needs no torch."""

import numpy as np

__all__ = ["torch_state"]


def torch_state(spec, variables: dict[str, np.ndarray], project: str) -> dict[str, np.ndarray]:
    """A vision transformer's variables as a file of `timm`, `dinov2` or `transformers` has them.

    Args:
        spec: of the network.
        variables: ours, by flat name.
        project: whose names; `transformers` and `transformers-4` differ in the attention.
    """
    ours = {name.removeprefix("params/"): array for name, array in variables.items()}
    tokens = ours["tokens"]
    positions = ours["positions"].reshape(1, -1, spec.width)
    # The position of the class token lies in our token: here one has its share of it.
    share = 0.25 * tokens[:1]
    with_class = np.concatenate([share[None], positions], 1)
    cls = (tokens[:1] - share)[None]
    if project == "timm" and spec.registers:
        with_class, cls = positions, tokens[None, :1]
    registers = "reg_token" if project == "timm" else "register_tokens"
    state = {"cls_token": cls, "pos_embed": with_class}
    if spec.registers:
        state[registers] = tokens[None, 1:]
    state["patch_embed.proj.weight"] = ours["embed/kernel"].transpose(3, 2, 0, 1)
    state["patch_embed.proj.bias"] = ours["embed/bias"]
    for kind, theirs in (("scale", "weight"), ("bias", "bias")):
        state[f"norm.{theirs}"] = ours[f"norm/{kind}"]
    for i in range(spec.depth):
        here, there = f"block{i + 1}_", f"blocks.{i}."
        for part, number in (("attention", 1), ("mlp", 2)):
            state[f"{there}norm{number}.weight"] = ours[f"{here}{part}/norm/scale"]
            state[f"{there}norm{number}.bias"] = ours[f"{here}{part}/norm/bias"]
            if spec.layer_scale:
                state[f"{there}ls{number}.gamma"] = ours[f"{here}{part}/layer_scale"]
        for our, their in (
            ("attention/qkv", "attn.qkv"),
            ("attention/out", "attn.proj"),
            ("mlp/expand", "mlp.fc1"),
            ("mlp/reduce", "mlp.fc2"),
        ):
            state[f"{there}{their}.weight"] = ours[f"{here}{our}/kernel"].T
            state[f"{there}{their}.bias"] = ours[f"{here}{our}/bias"]
    if not project.startswith("transformers"):
        return state
    return _as_transformers(state, old=project.endswith("4"))


def _as_transformers(state, old):
    renamed = {}
    for name, array in state.items():
        if ".attn.qkv." in name:
            block, leaf = name.split(".attn.qkv.")
            block = block.replace("blocks.", "encoder.layer.")
            parts = ("query", "key", "value") if old else ("q_proj", "k_proj", "v_proj")
            for part, rows in zip(parts, np.split(array, 3), strict=True):
                inner = f"attention.attention.{part}" if old else f"attention.{part}"
                renamed[f"{block}.{inner}.{leaf}"] = rows
            continue
        for theirs, ours in (
            ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
            ("pos_embed", "embeddings.position_embeddings"),
            ("cls_token", "embeddings.cls_token"),
            ("register_tokens", "embeddings.register_tokens"),
            ("blocks.", "encoder.layer."),
            ("attn.proj", "attention.output.dense" if old else "attention.o_proj"),
            ("ls1.gamma", "layer_scale1.lambda1"),
            ("ls2.gamma", "layer_scale2.lambda1"),
        ):
            name = name.replace(theirs, ours)
        renamed[f"layer{name}" if name.startswith("norm.") else name] = array
    return renamed
