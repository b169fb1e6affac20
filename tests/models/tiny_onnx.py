"""Small networks in the ONNX format, written field by field (onnx.proto) since the library is not needed otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Shape = Sequence[int]

_FLOAT = 1
_IR_VERSION, _OPSET = 8, 13


def node(kind: str, inputs: Sequence[str], output: str, **attributes: Sequence[int]) -> bytes:
    """A NodeProto: an operator with named inputs, one output and attributes that are lists of integers."""
    lists = [
        _text(1, name) + b"".join(_number(8, value) for value in values) + _number(20, 7)
        for name, values in attributes.items()
    ]
    return (
        b"".join(_text(1, name) for name in inputs)
        + _text(2, output)
        + _text(4, kind)
        + b"".join(_bytes(5, entry) for entry in lists)
    )


def network(
    nodes: Sequence[bytes],
    inputs: Mapping[str, Shape],
    outputs: Mapping[str, Shape],
    constants: Mapping[str, npt.NDArray[np.float32]],
) -> bytes:
    """A ModelProto over float32 tensors."""
    graph = (
        b"".join(_bytes(1, entry) for entry in nodes)
        + _text(2, "tiny")
        + b"".join(_bytes(5, _tensor(name, values)) for name, values in constants.items())
        + b"".join(_bytes(11, _value(name, shape)) for name, shape in inputs.items())
        + b"".join(_bytes(12, _value(name, shape)) for name, shape in outputs.items())
    )
    return _number(1, _IR_VERSION) + _bytes(7, graph) + _bytes(8, _text(1, "") + _number(2, _OPSET))


def _tensor(name: str, values: npt.NDArray[np.float32]) -> bytes:
    sides = b"".join(_number(1, side) for side in values.shape)
    return sides + _number(2, _FLOAT) + _text(8, name) + _bytes(9, values.astype("<f4").tobytes())


def _value(name: str, shape: Shape) -> bytes:
    sides = b"".join(_bytes(1, _number(1, side)) for side in shape)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, _FLOAT) + _bytes(2, sides)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    groups = []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])
