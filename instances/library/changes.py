"""Change a library of instances atomically, one record at a time."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from slimbench.instances.files.files import naming_file, write_atomically
from slimbench.instances.files.json_format import VERSION, encode_placement
from slimbench.instances.library.index import (
    INDEX_FORMAT,
    INDEX_NAME,
    Entry,
    Index,
    decode_index,
    read_index,
)
from slimbench.instances.library.library import PLACEMENTS, placement_name
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Instance
from slimbench.instances.problem.placement import Placement


def today() -> str:
    """The date in UTC."""
    return datetime.now(UTC).date().isoformat()


def new_library(folder: Path, release: str) -> None:
    """Make a library without instances.

    Raises
    ------
    InstanceError
        If the folder cannot be written, or holds one already.
    """
    with naming_file(folder):
        (folder / PLACEMENTS).mkdir(parents=True, exist_ok=True)
        if (folder / INDEX_NAME).exists():
            raise InstanceError("", "holds a library already")
        empty = Index(format=INDEX_FORMAT, version=VERSION, release=release, date=today(), instances=())
        write_atomically(folder / INDEX_NAME, _encoded(empty))


def placement_hash(placement: Placement, instance: Instance) -> str:
    """SHA-256 of the placement's file, unpacked."""
    return hashlib.sha256(encode_placement(placement, instance)).hexdigest()


def add_entry(folder: Path, entry: Entry) -> None:
    """Add an instance, after all others.

    Raises
    ------
    InstanceError
        If its name is taken, or the folder cannot be written.
    """
    with _locked(folder):
        index = read_index(folder / INDEX_NAME)
        if any(entry.name.casefold() == other.name.casefold() for other in index.instances):
            raise InstanceError("library", f"has an instance {entry.name!r} already")
        write_atomically(folder / INDEX_NAME, _encoded(_changed(index, (*index.instances, entry))))


def change_entry(
    folder: Path,
    name: str,
    change: Callable[[Entry], Entry],
    instance: Instance,
    placement: Placement | None = None,
) -> tuple[Entry, Entry]:
    """Change what is known of an instance, as it stands in the folder at this moment.

    Parameters
    ----------
    change : function of the entry
        Returns the entry as it shall be; the same one changes nothing.
    placement : Placement, optional
        Written if the new entry names it as the best.

    Returns
    -------
    tuple of Entry
        The entry before and after.

    Raises
    ------
    InstanceError
        If the folder cannot be written, or has no such instance.
    """
    with _locked(folder):
        index = read_index(folder / INDEX_NAME)
        before = next((entry for entry in index.instances if entry.name == name), None)
        if before is None:
            raise InstanceError("library", f"has no instance {name!r} any more")
        after = change(before)
        if after == before:
            return before, after
        content = _encoded(
            _changed(index, tuple(after if entry is before else entry for entry in index.instances))
        )
        old, new = (_placement_file(folder, entry) for entry in (before, after))
        if new is not None and new != old and placement is not None:
            new.parent.mkdir(exist_ok=True)
            write_atomically(new, gzip.compress(encode_placement(placement, instance), mtime=0))
        # The index comes last: whatever it names is there, and a crash leaves one file too many at worst.
        write_atomically(folder / INDEX_NAME, content)
        if old is not None and old != new:
            old.unlink(missing_ok=True)
        return before, after


def _placement_file(folder: Path, entry: Entry) -> Path | None:
    return folder / PLACEMENTS / placement_name(entry.name, entry.best.placement) if entry.best else None


def _changed(index: Index, instances: tuple[Entry, ...]) -> Index:
    return msgspec.structs.replace(index, instances=instances, date=today())


def _encoded(index: Index) -> bytes:
    content = msgspec.json.format(msgspec.json.encode(index), indent=1) + b"\n"
    decode_index(content)  # what could not be read again is not written
    return content


def check_writable(folder: Path) -> None:
    """Raise ``InstanceError`` if the library in this folder cannot be changed."""
    if folder.is_dir() and not os.access(folder, os.W_OK):
        raise InstanceError(
            "--library", f"{folder} cannot be written; copy that folder and name the copy by --library"
        )


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Alone in the folder: two updates at a time would lose one of the two."""
    check_writable(folder)
    with naming_file(folder):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
