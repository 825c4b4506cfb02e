"""MVTec AD 2: test_public with labels, test_private and test_private_mixed without."""

from pathlib import Path

from gaussft_jax.data.category import GOOD, Category
from gaussft_jax.data.folder import list_images, read_test
from gaussft_jax.data.layouts.layout import Layout, good_parts

__all__ = ["MVTEC_AD2"]

_PUBLIC = "test_public"
_PRIVATE = ("test_private", "test_private_mixed")


def _holds(folder: Path) -> bool:
    return (folder / "train" / GOOD).is_dir() and (folder / _PUBLIC).is_dir()


def _read(folder: Path) -> Category:
    good, public = good_parts(folder), folder / _PUBLIC
    private = {name: list_images(folder / name) for name in _PRIVATE if (folder / name).is_dir()}
    unknown = (
        f"{folder / name}: {len(images)} images without labels: judge them with `gaussft predict`"
        for name, images in private.items()
    )
    return good._replace(
        test=read_test(public, public / "ground_truth"),
        unlabelled=private,
        notes=(*good.notes, *unknown),
    )


MVTEC_AD2 = Layout("mvtec_ad2", f"train/good and {_PUBLIC}/{{good,bad}}", _holds, _read, good_parts)
