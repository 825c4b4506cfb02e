"""Every layout there is, and how the one of a category is known."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from gaussft_jax.data.category import Category
from gaussft_jax.data.folder import folders
from gaussft_jax.data.layouts.btad import BTAD
from gaussft_jax.data.layouts.cifar10 import CIFAR10
from gaussft_jax.data.layouts.kolektor import KOLEKTOR
from gaussft_jax.data.layouts.kolektor2 import KOLEKTOR2
from gaussft_jax.data.layouts.layout import Layout
from gaussft_jax.data.layouts.mvtec import MVTEC
from gaussft_jax.data.layouts.mvtec_ad2 import MVTEC_AD2
from gaussft_jax.data.layouts.mvtec_loco import MVTEC_LOCO
from gaussft_jax.data.layouts.pair import PAIR
from gaussft_jax.data.layouts.tfds import TFDS
from gaussft_jax.data.layouts.visa import VISA

__all__ = ["AUTO", "LAYOUTS", "categories", "layout_of", "read_category", "source", "unrecognised"]

AUTO = "auto"  # whichever layout is found

LAYOUTS: Mapping[str, Layout] = {
    layout.name: layout
    for layout in (
        MVTEC,
        MVTEC_LOCO,
        MVTEC_AD2,
        VISA,
        BTAD,
        KOLEKTOR,
        KOLEKTOR2,
        PAIR,
        CIFAR10,
        TFDS,
    )
}

_SHOWN = 8  # folders that an error lists


def layout_of(folder: str | Path, layout: str = AUTO) -> Layout | None:
    """The layout of the category at `folder`, or None.

    Args:
        folder: `root/category`; neither CIFAR-10 nor TFDS has a folder there.
        layout: the only one to try, of `LAYOUTS`, or AUTO.

    Raises:
        ValueError: several would do.
    """
    found = [one for one in _tried(layout) if one.holds(Path(folder))]
    if len(found) > 1:
        listed = " or ".join(one.name for one in found)
        raise ValueError(
            f"{folder} can be read as {listed}: name one by config.data.layout, give a folder of "
            "images in it, or take away what belongs to the other"
        )
    return found[0] if found else None


def categories(root: str | Path, layout: str = AUTO) -> tuple[str, ...]:
    """The sorted names of the categories in `root`.

    Args:
        root: folder of folders in any layout; CIFAR-10's folder; `tfds:NAME`.
        layout: the only one to look for, of `LAYOUTS`, or AUTO.
    """
    root = Path(root)
    names = [name for one in _tried(layout) for name in one.names(root)]
    if not names:
        names = [inside.name for inside in folders(root) if layout_of(inside, layout)]
    return tuple(sorted(names))


def read_category(root: str | Path, category: str, layout: str = AUTO) -> Category:
    """The files of a category, whatever its layout; images are opened when they are read.

    Of MVTec AD's layout these are `train/good`, `test/<defect>` (one of them may be `good`) and
    `ground_truth/<defect>/<stem>_mask.png` or `<stem>.png`; docs/howto.md lists the others. Files
    are png, jpg, jpeg, bmp, tif, tiff and webp in either case; hidden ones are ignored. `test` may
    be missing, and so may the masks of a defect, all of them: those are None.

    Args:
        root: folder of categories, or what else `categories` takes.
        category: one of its categories.
        layout: of `LAYOUTS`, or AUTO.

    Returns:
        Its good images by file name, its test images by label, then by file name.

    Raises:
        FileNotFoundError: root or category is missing, or the category has another layout.
        ValueError: a folder holds no image, or an image lacks its mask though others have one, or
            shares it with another.
    """
    folder = Path(root, category)
    if known := layout_of(folder, layout):
        return known.read(folder)
    if not Path(root).is_dir():
        raise FileNotFoundError(
            f"{root} is not a folder: give the folder that holds the categories"
        )
    if not folder.is_dir():
        if itself := layout_of(root, layout):
            raise FileNotFoundError(
                f"{root} is a category itself ({itself.name}): give {Path(root).resolve().parent} "
                f"and the category {Path(root).resolve().name}"
            )
        listed = ", ".join(categories(root, layout)) or "none in a known layout"
        raise FileNotFoundError(f"{root} has no category {category!r}; it has {listed}")
    raise FileNotFoundError(unrecognised(folder, layout))


def source(root: str | Path, category: str, layout: str = AUTO) -> Path:
    """Where a category is read from, and nothing may be written; arguments as `read_category`."""
    folder = Path(root, category)
    known = layout_of(folder, layout)
    return known.source(folder) if known else folder


def unrecognised(folder: str | Path, layout: str = AUTO) -> str:
    """A line on what a folder holds, and what a category of the layouts holds."""
    if inside := categories(folder, layout):
        return f"{folder} is no category but has some: give one of {', '.join(inside)}"
    expected = "; ".join(f"{one.looks} ({one.name})" for one in _tried(layout))
    return f"{folder} is in no known layout: it holds {_contents(Path(folder))}; wanted: {expected}"


def _tried(layout: str) -> list[Layout]:
    if layout == AUTO:
        return list(LAYOUTS.values())
    if layout not in LAYOUTS:
        raise ValueError(f"no layout {layout!r}; there are {AUTO}, {', '.join(LAYOUTS)}")
    return [LAYOUTS[layout]]


def _contents(folder: Path) -> str:
    """`Train/{Good}, notes/, 3 .png`: its folders with theirs, and its files by kind."""
    parts = []
    for inside in folders(folder):
        below = ",".join(path.name for path in folders(inside)[:_SHOWN])
        parts.append(f"{inside.name}/{{{below}}}" if below else f"{inside.name}/")
    if len(parts) > _SHOWN:
        parts[_SHOWN:] = [f"{len(parts) - _SHOWN} more folders"]
    kinds = Counter(path.suffix or path.name for path in sorted(folder.iterdir()) if path.is_file())
    parts += [f"{count} {kind}" for kind, count in kinds.most_common(_SHOWN)]
    return ", ".join(parts) or "nothing"
