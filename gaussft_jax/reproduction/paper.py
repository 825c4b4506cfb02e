"""The six tables of the paper as data: what each row runs, and what the paper reports for it.

A row of another method whose figures the paper quotes has no config, unless `methods` has it: then
it is run on the same images and features.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["TABLES", "Row", "Table"]


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        approach: name in the paper.
        features: `Scratch`, `Frozen` or `Tuned`.
        mean: over the 15 categories of MVTec AD, percent, as printed.
        sem: standard error of that mean, percent; None where the paper has none.
        config: fields that differ from the default configuration; None for a quoted figure.
        network: what the figure was reported for; ours by its name in `backbones.NETWORKS`.
    """

    approach: str
    features: str
    mean: float
    sem: float | None
    config: Mapping[str, Any] | None = None
    network: str = "efficientnet-b4"


class Table(NamedTuple):
    """A table of the paper.

    Attributes:
        title: what it compares.
        metric: the field of results.json that it reports.
        rows: in the paper's order.
    """

    title: str
    metric: str
    rows: tuple[Row, ...]


_FROZEN: Mapping[str, Any] = {"tune": False}
_TUNED: Mapping[str, Any] = {"tune": True}
_SVDD_TUNED, _FCDD = ({**_TUNED, "objective": objective} for objective in ("deep_svdd", "fcdd"))
# The source takes SGD at 0.03, 256 epochs of 256 steps of 96 images.
_CUTPASTE = {
    "tune": True, "objective": "cutpaste", "learning_rate": 1e-4, "stopping": "fixed",
    "max_epochs": 30,
}  # fmt: skip


def _frozen(objective: str) -> Mapping[str, Any]:
    return {**_FROZEN, "objective": objective}


def _tuned(label: str, mean: float, sem: float, **config: Any) -> Row:
    return Row(label, "Tuned", mean, sem, {**_TUNED, **config})


def _distribution(kind: str, aggregation: str, mean: float, sem: float) -> Row:
    label = f"{kind} Gaussian, {aggregation}"
    return _tuned(label, mean, sem, gaussian=kind, aggregation=aggregation)


TABLES: Mapping[int, Table] = {
    1: Table(
        "Anomaly detection compared",
        "image_auroc",
        (
            Row("GeoTrans", "Scratch", 67.2, 4.7, _frozen("geotrans"), "wide ResNet-10-4"),
            Row("GANomaly", "Scratch", 76.1, 1.6, _frozen("ganomaly"), "its own"),
            Row("ARNet", "Scratch", 83.9, 2.8, _frozen("arnet"), "its own"),
            Row("RIAD", "Scratch", 91.7, 1.8, _frozen("riad"), "its own"),
            Row("US", "Scratch", 87.7, 2.8, _frozen("students"), "distilled ResNet-18"),
            Row("SPADE", "Frozen", 85.5, None, _frozen("spade"), "wide-resnet50-2"),
            Row("Differnet", "Frozen", 94.7, 1.3, _frozen("differnet"), "AlexNet"),
            Row("PaDiM", "Frozen", 95.3, None, _frozen("padim"), "wide-resnet50-2"),
            Row("Patch SVDD", "Scratch", 92.1, 1.7, _frozen("patch_svdd"), "its own"),
            Row("Triplet Networks", "Scratch", 94.9, 1.2, _frozen("triplet"), "its own"),
            Row("CutPaste", "Tuned", 96.6, 1.1, _CUTPASTE),
            Row("Gaussian AD", "Frozen", 95.8, 1.2, _frozen("gaussian_ad")),
            Row("Gaussian fine-tune", "Tuned", 97.1, 0.8, _TUNED),
            Row("Gaussian fine-tune", "Frozen", 96.3, 1.1, _FROZEN),
            Row("Deep SVDD", "Tuned", 90.5, 2.7, _SVDD_TUNED),
            Row("Deep SVDD", "Frozen", 86.7, 3.5, _frozen("deep_svdd")),
            Row("FCDD", "Tuned", 87.0, 3.6, _FCDD),
        ),
    ),
    2: Table(
        "When to stop",
        "image_auroc",
        (
            _tuned("vicinity", 97.1, 0.9, stopping="vicinity"),
            _tuned("fixed epochs", 96.3, 1.2, stopping="fixed"),
            _tuned("validation loss", 95.4, 1.2, stopping="validation_loss"),
            Row("no training", "Frozen", 96.3, 1.1, _FROZEN),
        ),
    ),
    3: Table(
        "Vicinity and severity",
        "image_auroc",
        (
            _tuned("AugMix, severity 3", 97.1, 0.8, vicinity="augmix", severity=3.0),
            _tuned("AugMix, severity 4", 97.0, 0.9, vicinity="augmix", severity=4.0),
            _tuned("AugMix, severity 5", 97.0, 0.8, vicinity="augmix", severity=5.0),
            _tuned("AugMix, severity 6", 97.0, 0.8, vicinity="augmix", severity=6.0),
            _tuned("AugMix, severity 7", 97.1, 0.8, vicinity="augmix", severity=7.0),
            _tuned("Confetti", 96.7, 1.0, vicinity="confetti"),
            _tuned("CutOut", 96.6, 1.0, vicinity="cutout"),
            _tuned("all", 97.1, 0.8, vicinity="all"),
        ),
    ),
    4: Table(
        "Gaussian and aggregation",
        "image_auroc",
        (
            _distribution("global", "mean", 93.7, 2.3),
            _distribution("global", "max", 96.9, 0.9),
            _distribution("local", "mean", 97.3, 0.8),
            _distribution("local", "max", 97.3, 0.8),
            _distribution("tied", "mean", 93.0, 2.3),
            _distribution("tied", "max", 97.1, 0.8),
        ),
    ),
    5: Table(
        "Segmentation, pixel AUROC",
        "pixel_auroc",
        (
            Row("CAVGA-Ru", "Scratch", 89.0, None, _frozen("cavga"), "resnet18"),
            Row("RIAD", "Scratch", 94.2, 1.3, _frozen("riad"), "its own"),
            Row("VAE-Attention", "Scratch", 86.1, 2.3, _frozen("vae_attention"), "resnet18"),
            Row("US", "Scratch", 93.9, 1.6, _frozen("students"), "distilled ResNet-18"),
            Row("SPADE", "Frozen", 96.0, 0.9, _frozen("spade"), "wide-resnet50-2"),
            Row("PaDiM", "Frozen", 97.5, 0.4, _frozen("padim"), "wide-resnet50-2"),
            Row("Patch SVDD", "Scratch", 95.7, 0.6, _frozen("patch_svdd"), "its own"),
            Row("FCDD as published", "Tuned", 92.0, None, network="VGG-11"),
            Row("CutPaste", "Tuned", 96.0, 0.8, _CUTPASTE),
            Row("Gaussian fine-tune", "Tuned", 96.5, 0.8, _TUNED),
            Row("Gaussian fine-tune", "Frozen", 96.4, 0.7, _FROZEN),
            Row("Deep SVDD", "Tuned", 95.1, 0.9, _SVDD_TUNED),
            Row("Deep SVDD", "Frozen", 95.2, 0.9, _frozen("deep_svdd")),
            Row("FCDD", "Tuned", 96.2, 0.6, _FCDD),
        ),
    ),
    6: Table(
        "Segmentation, PRO up to a false-positive rate of 0.3",
        "aupro",
        (
            Row("SPADE", "Frozen", 91.7, 1.4, _frozen("spade"), "wide-resnet50-2"),
            Row("PaDiM", "Frozen", 92.1, 1.1, _frozen("padim"), "wide-resnet50-2"),
            Row("US", "Frozen", 91.4, 2.0, _frozen("students"), "distilled ResNet-18"),
            Row("Gaussian fine-tune", "Tuned", 88.7, 1.7, _TUNED),
            Row("Gaussian fine-tune", "Frozen", 88.5, 1.6, _FROZEN),
            Row("Deep SVDD", "Tuned", 88.7, 1.9, _SVDD_TUNED),
            Row("Deep SVDD", "Frozen", 88.9, 2.0, _frozen("deep_svdd")),
            Row("FCDD", "Tuned", 89.7, 1.6, _FCDD),
        ),
    ),
}
