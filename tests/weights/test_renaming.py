"""Names of four projects, checked on a small network of two stages."""

import json
from pathlib import Path

import numpy as np
import pytest

from gaussft_jax.backbones.efficientnet.names import our_names
from gaussft_jax.weights import check, rename

REPEATS = (2, 2, 0, 0, 0, 0, 0)
# Ours, then lukemelas, timm, torchvision; a norm stands for its four arrays.
NAMES = """
stem/conv _conv_stem conv_stem features.0.0
stem/norm _bn0 bn1 features.0.1
stage1_block0/depthwise/conv _blocks.0._depthwise_conv blocks.0.0.conv_dw features.1.0.block.0.0
stage1_block0/depthwise/norm _blocks.0._bn1 blocks.0.0.bn1 features.1.0.block.0.1
stage1_block0/squeeze/reduce _blocks.0._se_reduce blocks.0.0.se.conv_reduce features.1.0.block.1.fc1
stage1_block0/squeeze/expand _blocks.0._se_expand blocks.0.0.se.conv_expand features.1.0.block.1.fc2
stage1_block0/project/conv _blocks.0._project_conv blocks.0.0.conv_pw features.1.0.block.2.0
stage1_block0/project/norm _blocks.0._bn2 blocks.0.0.bn2 features.1.0.block.2.1
stage1_block1/depthwise/norm _blocks.1._bn1 blocks.0.1.bn1 features.1.1.block.0.1
stage1_block1/project/conv _blocks.1._project_conv blocks.0.1.conv_pw features.1.1.block.2.0
stage2_block0/expand/conv _blocks.2._expand_conv blocks.1.0.conv_pw features.2.0.block.0.0
stage2_block0/expand/norm _blocks.2._bn0 blocks.1.0.bn1 features.2.0.block.0.1
stage2_block0/depthwise/conv _blocks.2._depthwise_conv blocks.1.0.conv_dw features.2.0.block.1.0
stage2_block0/depthwise/norm _blocks.2._bn1 blocks.1.0.bn2 features.2.0.block.1.1
stage2_block0/squeeze/reduce _blocks.2._se_reduce blocks.1.0.se.conv_reduce features.2.0.block.2.fc1
stage2_block0/squeeze/expand _blocks.2._se_expand blocks.1.0.se.conv_expand features.2.0.block.2.fc2
stage2_block0/project/conv _blocks.2._project_conv blocks.1.0.conv_pwl features.2.0.block.3.0
stage2_block0/project/norm _blocks.2._bn2 blocks.1.0.bn3 features.2.0.block.3.1
stage2_block1/expand/norm _blocks.3._bn0 blocks.1.1.bn1 features.2.1.block.0.1
stage2_block1/project/norm _blocks.3._bn2 blocks.1.1.bn3 features.2.1.block.3.1
head/conv _conv_head conv_head features.8.0
head/norm _bn1 bn2 features.8.1
"""
CLASSIFIERS = {"lukemelas": "_fc", "timm": "classifier", "torchvision": "classifier.1"}
LAYOUTS = list(CLASSIFIERS)


def renamed_of(source, repeats=REPEATS):
    return rename(source, our_names(source, repeats))


def network(layout: str, rng: np.random.Generator):
    """Their arrays, and ours as loops over the indices say."""
    theirs, ours = {}, {}

    def put(their: str, our: str, array: np.ndarray):
        theirs[their], ours[our] = array, array

    for line in NAMES.split("\n")[1:-1]:
        our, *others = line.split()
        their = others[LAYOUTS.index(layout)]
        if our.endswith("norm"):
            put(f"{their}.weight", f"params/{our}/scale", rng.normal(size=5))
            put(f"{their}.bias", f"params/{our}/bias", rng.normal(size=5))
            put(f"{their}.running_mean", f"batch_stats/{our}/mean", rng.normal(size=5))
            put(f"{their}.running_var", f"batch_stats/{our}/var", rng.random(5))
            theirs[f"{their}.num_batches_tracked"] = np.array(7)
            continue
        if "squeeze" in our:
            put(f"{their}.bias", f"params/{our}/bias", rng.normal(size=4))
        kernel = f"params/{our}/kernel"
        if our == "stem/conv":
            put(f"{their}.weight", kernel, rng.normal(size=(4, 3, 3, 3)))
            ours[kernel] = np.einsum("oihw->hwio", theirs[f"{their}.weight"])
        elif our.endswith("depthwise/conv"):
            put(f"{their}.weight", kernel, rng.normal(size=(4, 1, 5, 5)))
            ours[kernel] = np.stack([channel[0] for channel in ours[kernel]], axis=-1)
        else:
            put(f"{their}.weight", kernel, rng.normal(size=(4, 6, 1, 1)))
            ours[kernel] = ours[kernel][:, :, 0, 0].T
    theirs[f"{CLASSIFIERS[layout]}.weight"] = rng.normal(size=(10, 5))
    theirs[f"{CLASSIFIERS[layout]}.bias"] = rng.normal(size=10)
    return theirs, ours


@pytest.mark.parametrize("layout", LAYOUTS)
def test_names_and_shapes(layout, rng):
    theirs, ours = network(layout, rng)
    renamed = renamed_of(theirs)
    assert renamed.keys() == ours.keys()
    for name, array in renamed.items():
        np.testing.assert_array_equal(array, ours[name].astype(np.float32), err_msg=name)
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
    check(renamed, {name: array.shape for name, array in ours.items()})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_unknown_names_stay_the_files_own(layout, rng):
    theirs, _ = network(layout, rng)
    unknown = {
        "extra.weight": np.zeros(3),
        "{0}.num_batches_tracked": np.zeros(3),
        f"{CLASSIFIERS[layout]}.extra.weight": np.zeros(3),
        f"{next(iter(theirs)).removesuffix('weight')}bias": np.zeros(3),
    }
    assert unknown.keys() < renamed_of({**theirs, **unknown}).keys()


def test_unknown_layouts_are_an_error():
    with pytest.raises(ValueError, match=r"no known layout.*layer1\.0\.weight"):
        our_names({"layer1.0.weight": np.zeros(3)}, REPEATS)


def test_check_lists_all_differences_at_once():
    arrays = {"a": np.zeros((2, 3)), "b": np.zeros(4), "ours": np.zeros(1)}
    expected = {"a": (3, 2), "b": (4,), "c": (5,)}
    with pytest.raises(ValueError) as caught:
        check(arrays, expected, "model.pth")
    assert str(caught.value).split("\n") == [
        "model.pth does not fit the network",
        "1 missing:",
        "  c",
        "1 unexpected:",
        "  ours",
        "1 misshapen:",
        "  a [2, 3] instead of [3, 2]",
    ]


def test_check_keeps_long_lists_short():
    with pytest.raises(ValueError, match=r"300 missing:(\n  \d+){20}\n  \.\.\. and 280 more$"):
        check({}, {str(n): () for n in range(300)})


@pytest.mark.parametrize("file", ["timm-efficientnet-b0", "torchvision-efficientnet-b0"])
def test_every_name_of_the_real_networks(file):
    """Names and shapes that the projects' own state_dict() has; see the file's first entry."""
    golden = json.loads((Path(__file__).parent / f"{file}.json").read_text())
    arrays = {name: np.zeros(shape, np.float32) for name, shape in golden["arrays"].items()}
    renamed = renamed_of(arrays, (1, 2, 2, 3, 3, 4, 1))
    assert all(name.startswith(("params/", "batch_stats/")) for name in renamed)
