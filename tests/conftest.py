"""Fixtures of all tests; array annotations are enforced while the tests run."""

import contextlib
import ctypes
import gc
import os
import shutil
import zlib
from pathlib import Path

import hypothesis
import jax
import jaxtyping
import numpy as np
import pytest
from PIL import Image

jaxtyping.install_import_hook("gaussft_jax", "beartype.beartype")
os.environ["GAUSSFT_IMAGE_CACHE_GB"] = "0"  # tests leave nothing behind
# Compilation is most of the time of a test of a small network, and most of that are optimisations.
# The programs are the same without them; for the processes that tests start it is said, too.
HASTE = "jax_disable_most_optimizations"
jax.config.update(HASTE, True)
os.environ[HASTE.upper()] = "1"
# XLA's older way from a fusion to machine code takes half the time of the newer. JAX 0.12 does not
# know it any more, and ends where it meets an unknown flag.
if jax.__version_info__ < (0, 11):
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_use_fusion_emitters=false"

REPOSITORY = Path(__file__).parents[1]
OFFSET = int(os.environ.get("GAUSSFT_TEST_SEED", "0"))

# Neither the time of an example nor that of drawing it says anything on a busy machine.
hypothesis.settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=OFFSET == 0,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="module", autouse=True)
def _nothing_compiled_stays():
    """Programs of one module are of no use to the next; all of them together take gigabytes."""
    yield
    jax.clear_caches()
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc keeps what is freed, unless asked
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@pytest.fixture(autouse=True)
def _slow_tests_are_optimised(request, monkeypatch):
    """Where it is running that takes the time, as of many photographs."""
    marked = request.node.get_closest_marker
    if not marked("slow") or marked("distributed"):
        yield
        return
    monkeypatch.setenv(HASTE.upper(), "0")
    jax.config.update(HASTE, False)
    yield
    jax.config.update(HASTE, True)


def stop_learning(patch: pytest.MonkeyPatch, saves: int) -> list[int]:
    """Ctrl-C where a state would be kept for the time after so many; the epochs of those kept."""
    from gaussft_jax import learning

    epochs, save = [], learning.save_arrays

    def stopping(file, arrays):
        if len(epochs) == saves:
            raise KeyboardInterrupt
        epochs.append(int(arrays["0"]))
        return save(file, arrays)

    patch.setattr(learning, "save_arrays", stopping)
    return epochs


@pytest.fixture
def rng(request) -> np.random.Generator:
    """Random numbers of a test's own, the same in every run and order.

    The environment variable GAUSSFT_TEST_SEED, 0 where it is not set, draws fresh ones: any whole
    number gives every test others. It is shown where a test fails.
    """
    print(f"GAUSSFT_TEST_SEED={OFFSET}")
    return np.random.default_rng([zlib.crc32(request.node.nodeid.encode()), OFFSET])


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real categories, or a skip where it is absent."""
    folder = Path(os.environ.get("GAUSSFT_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "magnetic_tile").is_dir():
        pytest.skip(
            f"no real photographs in {folder}: set GAUSSFT_DATA to a folder with pill and "
            "magnetic_tile in the MVTec AD layout (CONTRIBUTING.md)"
        )
    return folder


@pytest.fixture(scope="session")
def torch():
    """PyTorch, or a skip where it is absent."""
    return pytest.importorskip("torch", reason="torch is not installed: ./scripts/test --oracle")


def striped_images() -> np.ndarray:
    """Good images: noisy stripes, uint8 [24 32 32 3]."""
    rng = np.random.default_rng(0)
    wave = 128 + 60 * np.sin(np.arange(32) / 2)[None, None, :, None]
    return (wave + rng.normal(scale=12, size=(24, 32, 32, 3))).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def small_network():
    """`networks.SMALL` is known as long as this is used."""
    import networks

    from gaussft_jax import backbones, configuration

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backbones.NETWORKS, "small", networks.small()[0])
        patch.setitem(configuration.CHOICES, "backbone", tuple(backbones.NETWORKS))
        yield


@pytest.fixture
def cutout(monkeypatch):
    """Detectors are tuned by CutOut, which compiles in a third of the time of all schemes."""
    from gaussft_jax.vicinity import vicinity

    monkeypatch.setattr("gaussft_jax.detector.detector.vicinity", lambda _: vicinity("cutout"))


@pytest.fixture(scope="session")
def tiny():
    """A small network and its variables."""
    import networks

    return networks.small()


stripes = pytest.fixture(striped_images, scope="session", name="stripes")


@pytest.fixture(scope="session")
def tiny_detector(tiny, stripes):
    """Of stripes, calibrated on 4 of them, at 32 px."""
    import networks

    from gaussft_jax import methods

    method = methods.create("gaussian")
    return networks.fitted_detector(tiny, method, [stripes[:20]], [stripes[20:]])


@pytest.fixture(scope="session")
def parts(tmp_path_factory):
    """Two categories of 15 good and 6 test images, 64 px; the second has no masks.

    Noisy horizontal stripes of any phase. A dented part is a good one of the test images in which
    a square is transposed: its stripes run down, and all grey values of the two are the same.
    """
    root = tmp_path_factory.mktemp("parts of mine")
    rng = np.random.default_rng(0)
    phases = rng.uniform(0, 2 * np.pi, (18, 1, 1, 1))
    waves = 120 + 40 * np.sin(2 * np.pi * np.arange(64)[:, None, None] / 6 + phases)
    images = (waves + rng.normal(scale=8, size=(18, 64, 64, 3))).clip(0, 255).astype(np.uint8)
    dented = images[15:].copy()
    dented[:, 20:40, 10:30] = dented[:, 20:40, 10:30].transpose(0, 2, 1, 3)
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 10:30] = 255
    _save(root / "bolt" / "train" / "good", images[:15])
    _save(root / "bolt" / "test" / "good", images[15:])
    _save(root / "bolt" / "test" / "dent", dented)
    shutil.copytree(root / "bolt", root / "nut")
    _save(root / "bolt" / "ground_truth" / "dent", [mask] * 3, "_mask")
    return root


@pytest.fixture(scope="session")
def bolt_model(parts, tmp_path_factory):
    """The folder of a detector of bolts, at 64 px."""
    from gaussft_jax.data import list_images, read_images
    from gaussft_jax.detector import Detector

    folder = tmp_path_factory.mktemp("models") / "bolt"
    good = list_images(parts / "bolt" / "train" / "good")
    Detector.fit(read_images(good, 64, progress=False), "gaussian").save(folder)
    return folder


def _save(folder, images, suffix=""):
    folder.mkdir(parents=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i}{suffix}.png")


_COLUMNS = ("score", "sum of maps", "loss", "vicinity AUROC")
_TOPOLOGIES = pytest.StashKey[dict[str, list[str]]]()


def _topologies(config) -> list[str]:
    """Rows of the table at the end; those of a worker of xdist travel with its output."""
    output = getattr(config, "workeroutput", None)
    output = config.stash.setdefault(_TOPOLOGIES, {}) if output is None else output
    return output.setdefault("topologies", [])


@pytest.fixture(scope="session")
def show(request):
    """Adds what a topology computed to a table at the end of the test run."""

    def add(topology, result):
        last = (result["scores"][-1], result["maps"].sum(), result["loss"][-1])
        figures = (*last, result["vicinity_auroc"][-1])
        row = f"{topology:<26}" + "".join(f"{figure:>16.8g}" for figure in figures)
        _topologies(request.config).append(row)

    return add


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    _topologies(node.config).extend(getattr(node, "workeroutput", {}).get("topologies", []))


def pytest_terminal_summary(terminalreporter, config):
    if rows := _topologies(config):
        terminalreporter.section("one run on other devices (processes x devices of each)")
        terminalreporter.write_line(" " * 26 + "".join(f"{name:>16}" for name in _COLUMNS))
        for row in rows:
            terminalreporter.write_line(row)
