"""PyTorch files made without torch: pickles written opcode by opcode."""

import io
import pickle
import struct
import sys
import zipfile
from typing import NamedTuple

import numpy as np
import pytest

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


class Raw(bytes):
    """Opcodes to be taken as they are."""


class Global(NamedTuple):
    name: str


class Call(NamedTuple):
    function: Global
    arguments: tuple


class Persistent(NamedTuple):
    identifier: tuple


def emit(value) -> bytes:
    """Opcodes that put `value` on the stack."""
    match value:
        case Raw():
            return value
        case Global(name):
            return b"c" + "\n".join(name.rsplit(".", 1)).encode() + b"\n"
        case Call(function, arguments):
            return emit(function) + emit(arguments) + b"R"
        case Persistent(identifier):
            return emit(identifier) + b"Q"
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            return b"\x8a" + bytes([len(data)]) + data
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        case tuple():
            return b"(" + b"".join(map(emit, value)) + b"t"
        case list():
            return b"](" + b"".join(map(emit, value)) + b"e"
        case dict():
            items = b"".join(emit(key) + emit(item) for key, item in value.items())
            return b"}(" + items + b"u"
    raise TypeError(value)


def dump(value) -> bytes:
    return b"\x80\x02" + emit(value) + b"."


def tensor(storage: str, dtype: str, size: int, offset: int, shape, stride) -> Call:
    """A tensor as torch.save writes it; `dtype` is a prefix such as Float."""
    where = Persistent(("storage", Global(f"torch.{dtype}Storage"), storage, "cpu", size))
    hooks = Call(Global("collections.OrderedDict"), ())
    arguments = (where, offset, tuple(shape), tuple(stride), False, hooks)
    return Call(Global("torch._utils._rebuild_tensor_v2"), arguments)


def zip_file(
    state, storages: dict[str, bytes], compression=zipfile.ZIP_STORED, byteorder=b"little"
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("archive/data.pkl", dump(state))
        archive.writestr("archive/byteorder", byteorder)
        for key, data in storages.items():
            archive.writestr(f"archive/data/{key}", data)
    return buffer.getvalue()


def legacy_file(
    state, storages: dict[str, bytes], itemsize=4, magic=LEGACY_MAGIC, little=True, keys=None
) -> bytes:
    system = {"protocol_version": 1001, "little_endian": little, "type_sizes": {"int": 4}}
    head = [dump(magic), pickle.dumps(1001, 2), pickle.dumps(system, 2)]
    sized = [struct.pack("<q", len(data) // itemsize) + data for data in storages.values()]
    return b"".join([*head, dump(state), dump(list(storages) if keys is None else keys), *sized])


def plain(arrays: dict[str, np.ndarray]):
    """A state dict of float32 arrays, and its storages."""
    state = {
        name: tensor(str(i), "Float", a.size, 0, a.shape, [step // 4 for step in a.strides])
        for i, (name, a) in enumerate(arrays.items())
    }
    return state, {str(i): a.tobytes() for i, a in enumerate(arrays.values())}


@pytest.fixture(scope="session")
def torch_format():
    """This module: tests cannot import it by name."""
    return sys.modules[__name__]
