"""Read structures of Thrift's compact protocol, as far as Parquet's headers use it."""

from __future__ import annotations

from typing import Any, Final

MAX_DEPTH: Final = 32  # of structures; Parquet has fewer than ten
_BITS: Final = 64

# Types of the protocol
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = (
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12
)  # fmt: skip


class ThriftError(ValueError):
    """The bytes are not a structure of the protocol."""


def read_struct(content: bytes) -> tuple[dict[int, Any], int]:
    """The structure that content begins with, its fields by their numbers, and its length in bytes.

    Values are int, bool, bytes, list and dict again; floating-point numbers are left as bytes.

    Raises
    ------
    ThriftError
        If it is damaged, or nested deeper than ``MAX_DEPTH``.
    """
    reader = _Reader(content)
    try:
        return reader.struct(), reader.at
    except IndexError:
        raise ThriftError("it ends too early") from None


class _Reader:
    """Values one after another, from ``at`` on."""

    def __init__(self, content: bytes) -> None:
        self.at = 0
        self._content, self._depth = content, 0

    def struct(self) -> dict[int, Any]:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ThriftError("it is nested too deeply")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            number = number + step if step else self._integer()
            fields[number] = kind == _TRUE if kind in {_TRUE, _FALSE} else self._value(kind)
        self._depth -= 1
        return fields

    def _value(self, kind: int) -> Any:
        if kind in {_TRUE, _FALSE, _BYTE}:  # in a list, a truth value takes a byte too
            return self._byte()
        if kind in {_I16, _I32, _I64}:
            return self._integer()
        if kind == _DOUBLE:
            return self._bytes(8)
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind in {_LIST, _SET}:
            return self._list()
        if kind == _STRUCT:
            return self.struct()
        raise ThriftError(f"it has a value of type {kind}")

    def _list(self) -> list[Any]:
        head = self._byte()
        size, kind = head >> 4, head & 15
        if size == 15:
            size = self._varint()
        if kind in {_LIST, _SET}:
            raise ThriftError("it has lists of lists")
        if size > len(self._content) - self.at:
            raise ThriftError("it has a list of more entries than bytes")
        return [self._value(kind) for _ in range(size)]

    def _integer(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)

    def _varint(self) -> int:
        number = shift = 0
        while (byte := self._byte()) & 128:
            number |= (byte & 127) << shift
            shift += 7
            if shift > _BITS:
                raise ThriftError("it has an integer of more than 64 bits")
        return number | byte << shift

    def _byte(self) -> int:
        self.at += 1
        return self._content[self.at - 1]

    def _bytes(self, count: int) -> bytes:
        if count > len(self._content) - self.at:
            raise ThriftError("it has a text of more bytes than there are")
        self.at += count
        return self._content[self.at - count : self.at]
