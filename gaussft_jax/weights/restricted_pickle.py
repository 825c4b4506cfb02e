"""A pickle machine that knows tensors and containers, and imports and executes nothing."""

import io
import math
import mmap
import pickletools
from collections.abc import Iterable
from typing import NamedTuple

import ml_dtypes
import numpy as np

__all__ = ["Storage", "Tensor", "unpickle"]

_MAX_AXES = 32
_MAX_COUNT = 2**48  # so that no product of two counts, and no count of bytes, leaves 64 bits


class Storage(NamedTuple):
    """A run of `size` elements that the file keeps outside the pickle, under `key`."""

    key: str
    dtype: np.dtype
    size: int

    @property
    def nbytes(self) -> int:
        """Length in bytes."""
        return self.size * self.dtype.itemsize


class Tensor(NamedTuple):
    """A view of a storage as the pickle claims it, unchecked; counted in elements, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def view(self, data: bytes) -> np.ndarray:
        """The tensor as a read-only array over the bytes of its storage.

        Raises:
            ValueError: the claimed view does not lie within the storage.
        """
        storage, offset, shape, stride = self
        numbers_are_sane = (
            type(shape) is type(stride) is tuple
            and len(shape) == len(stride) <= _MAX_AXES
            and all(type(n) is int and 0 <= n < _MAX_COUNT for n in (offset, *shape, *stride))
        )
        if not numbers_are_sane:
            raise ValueError("offset, shape or stride of a tensor make no sense")
        if 0 in shape:
            return np.zeros(shape, storage.dtype)
        # More elements than the storage has would be legal for an expanded tensor (stride 0),
        # but weights have none, and a copy of one could be of any size.
        last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
        if last >= storage.size or math.prod(shape) > storage.size:
            raise ValueError(
                f"a tensor of shape {shape}, stride {stride}, offset {offset} exceeds its storage "
                f"of {storage.size} elements"
            )
        flat = np.frombuffer(data, storage.dtype)[offset:]
        steps = [step * flat.itemsize for step in stride]
        return np.lib.stride_tricks.as_strided(flat, shape, steps, writeable=False)


# These copy nothing of their arguments, or a small file could ask for it again and again.
def _ordered_dict() -> dict:
    return {}


def _size(items: list | tuple) -> tuple:
    return tuple(items[:_MAX_AXES])


def _rebuild_tensor(storage, offset, shape, stride, requires_grad, hooks, metadata=None) -> Tensor:
    if not isinstance(storage, Storage):
        raise ValueError("refused: a tensor without a storage")
    return Tensor(storage, offset, shape, stride)


def _rebuild_parameter(tensor, requires_grad, hooks) -> Tensor:
    return tensor


# All that a pickle can name, and so all that it can call.
_GLOBALS = {
    "collections.OrderedDict": _ordered_dict,
    "torch.Size": _size,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ByteStorage": np.dtype("u1"),
    "torch.BoolStorage": np.dtype("?"),
}


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}


def _global(name: str):
    if name not in _GLOBALS:
        raise ValueError(f"refused: its pickle asks for {name}, which is no tensor or container")
    return _GLOBALS[name]


def _put(target: dict, pairs: Iterable) -> dict:
    for key, value in pairs:
        # Deeply nested tuples as keys would overflow the C stack while they are hashed.
        if not isinstance(key, str | int):
            raise ValueError(f"refused: a {type(key).__name__} as the key of a dict")
        target[key] = value
    return target


def _storage(identifier: object, storages: dict[str, Storage]) -> Storage:
    match identifier:
        case ("storage", np.dtype() as dtype, str(key), str(), int(size), *view):
            storage = Storage(key, dtype, size)
            if (
                view in ([], [None])
                and 0 <= size < _MAX_COUNT
                and storages.setdefault(key, storage) == storage
            ):
                return storage
    raise ValueError("refused: a persistent object that is no plain storage")


def unpickle(stream: io.BytesIO | mmap.mmap) -> tuple[object, dict[str, Storage]]:
    """The object that the next pickle of `stream` describes, and the storages it refers to.

    Python's own unpickler calls what a file names. This one interprets the opcodes itself: a global
    is looked up in a table of a dozen names and never imported, and tensors come out as `Tensor`.

    Args:
        stream: at the start of a pickle; afterwards just behind it. No open file, since a file's
            `read(n)` allocates the n bytes that a pickle claims before it finds that they lack.

    Raises:
        ValueError: a global or an opcode that no state dict needs (named), or a damaged pickle.
    """
    stack, memo, storages = [], {}, {}
    below = []  # the stacks beneath the open marks
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            match opcode.name:
                case "PROTO" | "FRAME":
                    pass
                case "MARK":
                    below.append(stack)
                    stack = []
                case "NONE" | "NEWTRUE" | "NEWFALSE":
                    stack.append(_CONSTANTS[opcode.name])
                case ("BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT") | (
                    "BINUNICODE" | "SHORT_BINUNICODE" | "BINSTRING" | "SHORT_BINSTRING"
                ):
                    stack.append(argument)
                case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                    stack.append(_EMPTY[opcode.name]())
                case "TUPLE":
                    items, stack = stack, below.pop()
                    stack.append(tuple(items))
                case "TUPLE1" | "TUPLE2" | "TUPLE3":
                    n = int(opcode.name[-1])
                    stack[-n:] = [tuple(stack[-n:])]
                case "APPEND":
                    item = stack.pop()
                    stack[-1].append(item)
                case "APPENDS":
                    items, stack = stack, below.pop()
                    stack[-1].extend(items)
                case "SETITEM":
                    value, key = stack.pop(), stack.pop()
                    _put(stack[-1], [(key, value)])
                case "SETITEMS":
                    items, stack = stack, below.pop()
                    _put(stack[-1], zip(items[::2], items[1::2], strict=True))
                case "BINPUT" | "LONG_BINPUT":
                    memo[argument] = stack[-1]
                case "MEMOIZE":
                    memo[len(memo)] = stack[-1]
                case "BINGET" | "LONG_BINGET":
                    stack.append(memo[argument])
                case "GLOBAL":
                    stack.append(_global(argument.replace(" ", ".")))
                case "STACK_GLOBAL":
                    name, module = stack.pop(), stack.pop()
                    stack.append(_global(".".join([module, name])))
                case "REDUCE":
                    arguments, constructor = stack.pop(), stack.pop()
                    stack.append(constructor(*arguments))
                case "BUILD":
                    stack.pop()  # `_metadata` of a state dict: version numbers of its modules
                case "BINPERSID":
                    stack.append(_storage(stack.pop(), storages))
                case "STOP":
                    return stack.pop(), storages
                case other:
                    raise ValueError(f"refused: its pickle uses {other} {argument or ''}")
    # genops warns of bad escapes in strings, which is an exception where warnings are errors.
    except (AttributeError, IndexError, KeyError, TypeError, Warning) as error:
        raise ValueError(f"damaged pickle: {error}") from error
    raise ValueError("damaged pickle: no end")
