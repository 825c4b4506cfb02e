"""The networks as lines of text: what they take, and where their weights are."""

from collections.abc import Iterator

__all__ = ["described"]


def described() -> Iterator[tuple[str, str]]:
    """The name of each network, and its size, parameters, levels, licence and weights."""
    from gaussft_jax.backbones import NETWORKS

    for name, backbone in NETWORKS.items():
        try:
            weights = str(backbone.locate(fetch=False))
        except (FileNotFoundError, ValueError) as error:
            weights = str(error)
        sizes = f"{backbone.image_size} px"
        if backbone.multiple > 1:
            sizes += f" or n x {backbone.multiple}"
        levels = f"{len(backbone.level_names)} levels"
        licence = backbone.source.licence
        yield name, f"{sizes:<15} {backbone.millions:>5} M  {levels}  {licence:<12}  {weights}"
