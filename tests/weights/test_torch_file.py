"""PyTorch files: what is read, what is refused, and what damage does."""

import hashlib
import io
import pickle
import struct
import tracemalloc
import zipfile

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaussft_jax.backbones import create
from gaussft_jax.weights import read_torch

DTYPES = {
    "Double": "<f8",
    "Float": "<f4",
    "Half": "<f2",
    "BFloat16": ml_dtypes.bfloat16,
    "Long": "<i8",
    "Int": "<i4",
    "Short": "<i2",
    "Char": "i1",
    "Byte": "u1",
    "Bool": "?",
}
FORMATS = ("zip_file", "legacy_file")


@pytest.fixture(params=FORMATS)
def read(request, torch_format, tmp_path):
    """Write a state and its storages in one of the formats, and read it again."""

    def write_and_read(state, storages, **options):
        path = tmp_path / "model.pth"
        path.write_bytes(getattr(torch_format, request.param)(state, storages, **options))
        return read_torch(path)

    return write_and_read


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(dtype, file_format, torch_format, tmp_path, rng):
    array = rng.integers(0, 2, (3, 4, 5)).astype(DTYPES[dtype])
    state = {"a": torch_format.tensor("0", dtype, 60, 0, array.shape, (20, 5, 1))}
    options = {"itemsize": array.itemsize} if file_format == "legacy_file" else {}
    path = tmp_path / "model.pth"
    path.write_bytes(getattr(torch_format, file_format)(state, {"0": array.tobytes()}, **options))
    got = read_torch(path)["a"]
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got, array)


@pytest.mark.parametrize(
    ("offset", "shape", "stride"),
    [
        (0, (4, 6), (6, 1)),
        (0, (6, 4), (1, 6)),
        (7, (2, 3), (12, 2)),
        (23, (), ()),
        (24, (0, 3), (3, 1)),
    ],
)
def test_strided_views_share_a_storage(read, torch_format, rng, offset, shape, stride):
    flat = rng.normal(size=24).astype(np.float32)
    state = {
        "whole": torch_format.tensor("0", "Float", 24, 0, (24,), (1,)),
        "view": torch_format.tensor("0", "Float", 24, offset, shape, stride),
    }
    got = read(state, {"0": flat.tobytes()})
    steps = np.array(stride, int).reshape(-1, *[1] * len(shape))
    positions = offset + (np.indices(shape) * steps).sum(0)
    np.testing.assert_array_equal(got["whole"], flat)
    np.testing.assert_array_equal(got["view"], flat[positions.astype(int)])
    assert got["view"].shape == shape


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_checkpoints_are_unwrapped(read, torch_format, wrapper):
    state, storages = torch_format.plain({"a": np.ones(3, np.float32)})
    got = read({"epoch": 7, "best": [1, None, True], wrapper: state}, storages)
    assert list(got) == ["a"]


def test_parameters_and_metadata(read, torch_format):
    inner, storages = torch_format.plain({"a": np.ones(3, np.float32)})
    ordered = torch_format.Call(torch_format.Global("collections.OrderedDict"), ())
    rebuild = torch_format.Global("torch._utils._rebuild_parameter")
    parameter = torch_format.Call(rebuild, (inner["a"], True, ordered))
    metadata = torch_format.emit({"_metadata": {"": {"version": 1}}}) + b"b"
    item = torch_format.emit("a") + torch_format.emit(parameter) + b"s"
    state = torch_format.Raw(torch_format.emit(ordered) + item + metadata)
    np.testing.assert_array_equal(read(state, storages)["a"], np.ones(3))


# Pickles that would run something: by a global, by the two-part global, by the opcodes of old
# classes and of objects.
HOSTILE = {
    "os.system": b"cos\nsystem\n(X\x05\x00\x00\x00falset",
    "posix.system": b"\x8c\x05posix\x8c\x06system\x93(X\x05\x00\x00\x00falset",
    "torch.load": b"ctorch\nload\n(X\x05\x00\x00\x00falset",
    "builtins.eval": b"cbuiltins\neval\n(X\x01\x00\x00\x001t",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_other_globals_are_refused_by_name(read, torch_format, name):
    with pytest.raises(ValueError, match=rf"model\.pth.*refused.* {name}"):
        read({"a": torch_format.Raw(HOSTILE[name] + b"R")}, {})


@pytest.mark.parametrize(
    ("opcodes", "name"),
    [
        (b"(X\x04\x00\x00\x00trueios\nsystem\n", "INST os system"),
        (b"cos\nsystem\n)\x81", "os.system"),
    ],
)
def test_other_opcodes_are_refused(read, torch_format, opcodes, name):
    with pytest.raises(ValueError, match=f"refused.*{name}"):
        read({"a": torch_format.Raw(opcodes)}, {})


def test_real_pickles_are_never_executed(torch_format, tmp_path):
    class Malice:
        def __reduce__(self):
            return io.open, (str(tmp_path / "executed"), "w")

    path = tmp_path / "plain.pkl"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps({"a": Malice()}, protocol))
        with pytest.raises(ValueError, match=r"plain\.pkl.*refused.*"):
            read_torch(path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("offset", "shape", "stride"),
    [
        (0, (25,), (1,)),
        (1, (24,), (1,)),
        (0, (2, 3), (22, 1)),
        (-1, (3,), (1,)),
        (24, (), ()),
        (0, (-3,), (1,)),
        (0, (3,), (-1,)),
        (0, (10**12,), (0,)),
        (0, (2**62, 4), (1, 1)),
        (0, (0, 2**70), (1, 1)),
        (0, (3,), (1, 1)),
        (0, (2, 2), (2**63, 1)),
        (0, (1,) * 65, (1,) * 65),
        (0, ("3",), (1,)),
        (0, (True, 3), (1, 1)),
    ],
)
def test_views_outside_the_storage_are_refused(read, torch_format, offset, shape, stride):
    state = {"a": torch_format.tensor("0", "Float", 24, offset, shape, stride)}
    with pytest.raises(ValueError, match=r"model\.pth.*(exceeds|make no sense)"):
        read(state, {"0": bytes(96)})


@pytest.mark.parametrize("size", [25, 23, -1, 2**61, 2**80])
def test_a_storage_of_another_size_than_claimed_is_refused(read, torch_format, size):
    state = {"a": torch_format.tensor("0", "Float", size, 0, (24,), (1,))}
    with pytest.raises(ValueError, match=r"model\.pth.*: (truncated|refused)"):
        read(state, {"0": bytes(96)})


@pytest.mark.parametrize("state", [[1, 2], {"a": 3}, {"a": {"b": None}}, {3: 1}])
def test_what_is_no_state_dict_is_refused(read, state):
    with pytest.raises(ValueError, match=r"model\.pth.*(instead of|not a tensor)"):
        read(state, {})


# The hash of a deeply nested tuple would overflow the C stack.
@pytest.mark.parametrize("state", [{("a",): 1}, {"a": {((),): 1}}])
def test_keys_that_are_no_names_are_refused(read, state):
    with pytest.raises(ValueError, match="a tuple as the key of a dict"):
        read(state, {})


def test_bad_escapes_are_refused(read, torch_format):
    with pytest.raises(ValueError, match="invalid escape"):
        read({"a": torch_format.Raw(b"S'\\o'\n")}, {})


@pytest.mark.parametrize(
    ("file_format", "options", "reason"),
    [
        ("zip_file", {"byteorder": b"big"}, "big-endian"),
        ("legacy_file", {"little": False}, "big-endian"),
        ("legacy_file", {"magic": 7}, "magic number"),
        ("legacy_file", {"keys": []}, "damaged"),
        ("legacy_file", {"keys": ["0", "1"]}, "damaged"),
        ("legacy_file", {"keys": "0"}, "list of storages"),
        ("legacy_file", {"keys": [("0",)]}, "list of storages"),
    ],
)
def test_what_is_no_such_file_is_refused(torch_format, tmp_path, file_format, options, reason):
    state, storages = torch_format.plain({"a": np.zeros(3, np.float32)})
    path = tmp_path / "model.pth"
    path.write_bytes(getattr(torch_format, file_format)(state, storages, **options))
    with pytest.raises(ValueError, match=rf"model\.pth.*{reason}"):
        read_torch(path)


def test_a_tensor_without_a_storage_is_refused(read, torch_format):
    rebuild = torch_format.Global("torch._utils._rebuild_tensor_v2")
    call = torch_format.Call(rebuild, ("0", 0, (1,), (1,), False, None))
    with pytest.raises(ValueError, match="without a storage"):
        read({"a": call}, {})


def test_compressed_members_are_refused(torch_format, tmp_path):
    state, storages = torch_format.plain({"a": np.zeros(100_000, np.float32)})
    path = tmp_path / "bomb.pth"
    path.write_bytes(torch_format.zip_file(state, storages, zipfile.ZIP_DEFLATED))
    with pytest.raises(ValueError, match=r"bomb\.pth.*compressed"):
        read_torch(path)


def test_members_that_claim_more_than_the_file_has_are_refused(torch_format, tmp_path):
    state, storages = torch_format.plain({"a": np.zeros(100, np.float32)})
    data = torch_format.zip_file(state, storages)
    # The sizes of the last entry of the central directory, 20 and 24 bytes in.
    entry = data.rindex(b"PK\x01\x02")
    data = data[: entry + 20] + struct.pack("<II", 2**31, 2**31) + data[entry + 28 :]
    path = tmp_path / "bomb.pth"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"bomb\.pth.*more bytes than the file"):
        read_torch(path)


@pytest.mark.parametrize("file_format", FORMATS)
def test_truncated_files_are_refused(torch_format, tmp_path, file_format, rng):
    state, storages = torch_format.plain({"a": rng.normal(size=(8, 8)).astype(np.float32)})
    data = getattr(torch_format, file_format)(state, storages)
    path = tmp_path / "short.pth"
    for length in [*range(0, len(data), 7), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match=r"short\.pth is damaged, truncated or"):
            read_torch(path)


@pytest.mark.parametrize(
    "opcodes",
    [
        b"(r\xff\xff\xff\xff",  # a memo slot of number 2**32 - 1
        b"X\xff\xff\xff\xffabc",  # a string of 4 GiB
        b"\x8d" + struct.pack("<Q", 2**62) + b"abc",
        b"\x96" + struct.pack("<Q", 2**40) + b"abc",  # a bytearray of 1 TiB
        b"\x95" + struct.pack("<Q", 2**62),
        # One list of 5,000 items, copied 5,000 times.
        b"](" + b"N" * 5000 + b"eq\x00ctorch\nSize\nq\x01" + b"h\x01h\x00\x85R" * 5000,
        b"(" * 100_000,
        b"]" * 100_000,
        b")" + b"\x85" * 100_000,
    ],
)
def test_claims_of_a_pickle_cost_no_memory(read, torch_format, opcodes):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"model\.pth is damaged"):
            read({"a": torch_format.Raw(opcodes)}, {})
        assert tracemalloc.get_traced_memory()[1] < 60e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("file_format", FORMATS)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damage_gives_arrays_or_a_value_error(torch_format, tmp_path_factory, file_format, data):
    state, storages = torch_format.plain(
        {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros((), np.float32)}
    )
    whole = getattr(torch_format, file_format)(state, storages)
    damaged = bytearray(
        whole[: data.draw(st.integers(len(whole) // 2, len(whole)) | st.just(len(whole)))]
    )
    flips = st.tuples(st.integers(0, len(damaged) - 1), st.integers(0, 255))
    for position, byte in data.draw(st.lists(flips, min_size=1, max_size=4)):
        damaged[position] = byte
    path = tmp_path_factory.getbasetemp() / f"{file_format}.pth"
    path.write_bytes(damaged)
    tracemalloc.start()
    try:
        arrays = read_torch(path)
        assert all(isinstance(array.sum().item(), float | int) for array in arrays.values())
    except ValueError as error:
        assert path.name in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 20e6


def test_real_lite0():
    path = create("efficientnet-lite0").locate()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest == "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    arrays = read_torch(path)
    assert arrays["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert arrays["_blocks.1._depthwise_conv.weight"].shape == (96, 1, 3, 3)
    assert arrays["_conv_head.weight"].shape == (1280, 320, 1, 1)
    assert arrays["_fc.weight"].shape == (1000, 1280)
    floats = {name: a for name, a in arrays.items() if not name.endswith("num_batches_tracked")}
    assert all(a.dtype == np.float32 and np.isfinite(a).all() for a in floats.values())
    statistics = {name: a for name, a in floats.items() if "running_" in name}
    parameters = floats.keys() - statistics.keys()
    assert sum(floats[name].size for name in parameters) == 4_652_008  # as published
    variances = np.concatenate([a for name, a in statistics.items() if name.endswith("var")])
    assert variances.min() >= 0
    assert (variances > 0).mean() > 0.99  # a few channels are dead
    kernel = floats["_conv_head.weight"]
    assert abs(kernel.mean()) < 0.1 * kernel.std()
    assert 0.01 < kernel.std() < 0.2


@pytest.mark.oracle
class TestAgainstTorch:
    @pytest.mark.parametrize("legacy", [False, True])
    @pytest.mark.parametrize("protocol", [2, 3, 4, 5])
    def test_what_torch_saves(self, torch, tmp_path, legacy, protocol):
        base = torch.randn(6, 8)
        state = {
            "transposed": base.T,
            "sliced": base[1:5, ::3],
            "parameter": torch.nn.Parameter(torch.randn(3)),
            "scalar": torch.tensor(3.5),
            "empty": torch.zeros(0, 4),
            "half": torch.randn(5).half(),
            "double": torch.randn(2, 2, dtype=torch.float64),
            "bool": torch.tensor([True, False]),
            **{
                str(dtype): torch.randint(0, 100, (4,)).to(dtype)
                for dtype in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
            },
        }
        path = tmp_path / "model.pth"
        torch.save(
            {"state_dict": state, "epoch": 3, "loss": 0.5, "size": base.shape},
            path,
            pickle_protocol=protocol,
            _use_new_zipfile_serialization=not legacy,
        )
        got = read_torch(path)
        assert list(got) == list(state)
        for name, value in state.items():
            np.testing.assert_array_equal(got[name], value.detach().numpy())
            assert got[name].dtype == value.detach().numpy().dtype

    @pytest.mark.parametrize("legacy", [False, True])
    def test_a_module_and_bfloat16(self, torch, tmp_path, legacy):
        module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).bfloat16()
        path = tmp_path / "model.pth"
        torch.save(module.state_dict(), path, _use_new_zipfile_serialization=not legacy)
        got = read_torch(path)
        for name, value in module.state_dict().items():
            np.testing.assert_array_equal(got[name].astype(np.float32), value.float().numpy())

    def test_a_whole_module_is_refused(self, torch, tmp_path):
        torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
        with pytest.raises(ValueError, match=r"torch\.nn\.modules\.linear\.Linear"):
            read_torch(tmp_path / "module.pth")

    def test_real_lite0(self, torch):
        path = create("efficientnet-lite0").locate()
        expected = torch.load(path, weights_only=True)
        got = read_torch(path)
        assert list(got) == list(expected)
        for name, value in expected.items():
            np.testing.assert_array_equal(got[name], value.numpy())
