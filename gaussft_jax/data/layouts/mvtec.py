"""MVTec AD: train/good, test/<defect>, ground_truth/<defect>; MPDD and VisA's copy look like it."""

from pathlib import Path

from gaussft_jax.data.category import GOOD, Category
from gaussft_jax.data.folder import read_test
from gaussft_jax.data.layouts import mvtec_ad2, mvtec_loco
from gaussft_jax.data.layouts.layout import Layout, good_parts

__all__ = ["MVTEC"]


def _holds(folder: Path) -> bool:
    return (
        (folder / "train" / GOOD).is_dir()
        and not mvtec_loco.MVTEC_LOCO.holds(folder)
        and not mvtec_ad2.MVTEC_AD2.holds(folder)
    )


def _read(folder: Path) -> Category:
    """`test` may be missing, and so may `ground_truth` and its folders: those masks are None."""
    test = folder / "test"
    return good_parts(folder)._replace(test=read_test(test) if test.exists() else ())


MVTEC = Layout("mvtec", "train/good and test/<defect>", _holds, _read, good_parts)
