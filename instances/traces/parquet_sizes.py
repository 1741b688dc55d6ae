"""Sizes that a Parquet file unpacks to, from the headers of its pages: nothing is unpacked to learn them.

The footer, which is all that pyarrow tells, is not enough: Arrow unpacks as many values as the header of a
page says, whatever the footer declares and whatever the limits of ``pyarrow.parquet.ParquetFile`` on Thrift
are (test_limits.py: test_arrow_unpacks_more_than_the_footer_declares_whatever_its_limits_of_thrift). And
some damaged files make Arrow's metadata objects end the process, so that they are not asked.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from slimbench.instances.files.bounded import refuse_irregular
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.traces.thrift import ThriftError, read_struct

MAX_FOOTER_BYTES: Final = 2**24
_MAGIC: Final = b"PAR1"
_PAGE_HEADER_BYTES: Final = 2**16  # with its statistics, some hundred

# Numbers of fields in parquet.thrift
_ROWS, _GROUPS, _KEY_VALUES = 3, 4, 5  # of the file
_KEY, _VALUE = 1, 2  # of its metadata
_COLUMNS, _GROUP_ROWS = 1, 3  # of a row group
_METADATA = 3  # of a column chunk
_PATH, _VALUES, _PACKED, _DATA_PAGE, _DICTIONARY_PAGE = 3, 5, 7, 9, 11  # of its metadata
_UNPACKED_PAGE, _PACKED_PAGE = 2, 3  # of a page
_PAGE_VALUES = 1  # of a data page's own header
_PAGE_ENCODINGS: Final = {5: 2, 8: 4}  # by the field of that header: versions 1 and 2
_DELTA_BYTE_ARRAY = 7  # each text as what it shares with the one before: a few bytes stand for long texts


class ColumnSize(NamedTuple):
    """What a column has at most in a row group.

    Attributes
    ----------
    values : int
        Of lists: their entries.
    nbytes : int
        Unpacked.
    shared_bytes : int
        Of the largest page whose texts are stored as what they share with the one before: each of its texts
        may be as long as that, whatever ``nbytes`` is. 0 if there is no such page.
    """

    values: int = 0
    nbytes: int = 0
    shared_bytes: int = 0


class Sizes(NamedTuple):
    """Of a Parquet file: rows, bytes unpacked, and each column's size."""

    rows: int
    nbytes: int
    columns: dict[str, ColumnSize]


def declared_sizes(path: Path) -> Sizes:
    """Sizes of a Parquet file; of each column the largest in a row group, as one is held at a time.

    Raises
    ------
    InstanceError
        If its headers are damaged.
    OSError
        If it cannot be read.
    """
    refuse_irregular(path)
    with path.open("rb") as file:
        try:
            footer = read_struct(_footer(file))[0]
            groups = footer.get(_GROUPS, [])
            columns: dict[str, ColumnSize] = {}
            total = 0
            for group in groups:
                for chunk in group[_COLUMNS]:
                    column = chunk[_METADATA]
                    name = b".".join(column[_PATH]).decode("utf-8", "replace")
                    size = _column_size(file, column)
                    total += size.nbytes
                    columns[name] = ColumnSize(*map(max, columns.get(name, ColumnSize()), size))
            rows = max(footer[_ROWS], sum(group[_GROUP_ROWS] for group in groups))
            return Sizes(rows, total, columns)
        except (ThriftError, LookupError, TypeError, AttributeError, OverflowError) as error:
            raise InstanceError("", f"is not a Parquet file (a header is damaged: {error})") from None


def key_values(path: Path) -> dict[bytes, bytes]:
    """The metadata that a Parquet file carries.

    Raises
    ------
    InstanceError
        If its footer is damaged.
    OSError
        If it cannot be read.
    """
    refuse_irregular(path)
    with path.open("rb") as file:
        try:
            pairs = read_struct(_footer(file))[0].get(_KEY_VALUES, [])
            found = {pair[_KEY]: pair.get(_VALUE, b"") for pair in pairs}
            if not all(isinstance(text, bytes) for pair in found.items() for text in pair):
                raise ThriftError("metadata are not text")
            return found
        except (ThriftError, LookupError, TypeError, AttributeError) as error:
            raise InstanceError("", f"is not a Parquet file (a header is damaged: {error})") from None


def _footer(file: IO[bytes]) -> bytes:
    size = file.seek(0, 2)
    file.seek(max(0, size - 8))
    tail = file.read(8)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or length > size - 8:
        raise InstanceError("", "is not a Parquet file, expected a footer")
    if length > MAX_FOOTER_BYTES:
        raise InstanceError("", f"has a footer of {length} bytes, expected at most {MAX_FOOTER_BYTES}")
    file.seek(size - 8 - length)
    return file.read(length)


def _column_size(file: IO[bytes], column: dict[int, Any]) -> ColumnSize:
    """Size of one column chunk by its pages, of at least the values that its metadata declare."""
    at = column[_DATA_PAGE]
    if 0 < column.get(_DICTIONARY_PAGE, 0) < at:
        at = column[_DICTIONARY_PAGE]
    end = at + column[_PACKED]
    if at < 0 or end < at:
        raise ThriftError("a page begins before the file")
    values = nbytes = shared_bytes = 0
    while at < end:
        file.seek(at)
        content = file.read(_PAGE_HEADER_BYTES)
        if not content:
            raise ThriftError("a page begins after the end of the file")
        page, length = read_struct(content)
        packed, unpacked = page[_PACKED_PAGE], page[_UNPACKED_PAGE]
        if packed < 0 or unpacked < 0:
            raise ThriftError("a page has a negative size")
        for kind, encoding in _PAGE_ENCODINGS.items():
            if kind in page:
                values += page[kind][_PAGE_VALUES]
                if page[kind][encoding] == _DELTA_BYTE_ARRAY:
                    shared_bytes = max(shared_bytes, packed, unpacked)
        nbytes += unpacked
        at += length + packed
    return ColumnSize(max(values, column[_VALUES]), nbytes, shared_bytes)
