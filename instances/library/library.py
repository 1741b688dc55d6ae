"""The instance library: named instances with their hash, and what is known of the optimum of each.

A library is a folder with ``index.json`` and the best placements known in ``placements``. An instance is a
recipe, made anew wherever it is needed, or a file; either way its content must have the hash of the index.
"""

from __future__ import annotations

import fnmatch
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from slimbench.instances.files.bounded import MAX_TEXT_BYTES, read_content
from slimbench.instances.files.files import naming_file, read_instance
from slimbench.instances.files.json_format import decode_placement
from slimbench.instances.files.records import naming_field
from slimbench.instances.generators.generate import make_instance, read_recipe
from slimbench.instances.library.index import INDEX_NAME, Entry, FileName, Index, read_index
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Instance
from slimbench.instances.problem.placement import Placement
from slimbench.instances.zoo import SHIPPED_DATA

PLACEMENTS: Final = "placements"
MAX_PATTERN: Final = 400  # characters; a size and a name have at most 107
SHIPPED: Final = SHIPPED_DATA / "library"


@dataclass(frozen=True)
class Library:
    """An index and the folder that it was read from."""

    folder: Path
    index: Index

    def entry(self, name: str) -> Entry:
        """The instance of this name.

        Raises
        ------
        InstanceError
            If there is none.
        """
        for entry in self.index.instances:
            if entry.name == name:
                return entry
        raise InstanceError("library", f"has no instance {name!r}, expected one of slimbench library list")

    def matching(self, pattern: str) -> list[Entry]:
        """Instances whose name, or ``size/name``, matches a pattern such as ``small/*-single``."""
        if len(pattern) > MAX_PATTERN:  # matches no name, and patterns of megabytes take long to compile
            return []
        return [
            entry
            for entry in self.index.instances
            if fnmatch.fnmatchcase(f"{entry.size}/{entry.name}" if "/" in pattern else entry.name, pattern)
        ]

    def instance(self, entry: Entry) -> Instance:
        """Make or read an instance.

        Raises
        ------
        InstanceError
            If that fails, or what comes out is not what the index says it is.
        """
        place = f"library: {entry.name}"
        try:
            instance = raw_instance(self.folder, entry.name, entry.recipe, entry.file)
        except InstanceError as error:
            raise (
                error if error.file else InstanceError(f"{place}: recipe.{error.field}", error.problem)
            ) from None
        if instance.name != entry.name:
            raise InstanceError(place, f"is named {instance.name!r} in its file")
        if instance.sha256 != entry.sha256:
            raise InstanceError(
                place,
                f"its content has the hash {instance.sha256}, expected {entry.sha256}: not that instance",
            )
        return instance

    def placement(self, entry: Entry, instance: Instance) -> Placement | None:
        """The best placement known; None where none is.

        Raises
        ------
        InstanceError
            If its file is missing, is not the one that the index names, or is no placement of the instance.
        """
        if entry.best is None:
            return None
        path = self.folder / PLACEMENTS / placement_name(entry.name, entry.best.placement)
        with naming_file(path):
            content = read_content(path, MAX_TEXT_BYTES)
            if hashlib.sha256(content).hexdigest() != entry.best.placement:
                raise InstanceError("", "its content does not have the hash that the index names")
            return decode_placement(content, instance)


def read_library(folder: Path | None = None) -> Library:
    """Read a library, the shipped one by default.

    Raises
    ------
    InstanceError
        Naming file and field, if there is none or its index is malformed.
    """
    folder = SHIPPED if folder is None else folder
    return Library(folder, read_index(folder / INDEX_NAME))


def raw_instance(folder: Path, name: str, recipe: dict[str, Any] | None, file: str | None) -> Instance:
    """Make a recipe, or read a file of the folder or of the shipped ones; no hash is looked at."""
    if recipe is None:
        path = folder / (file or "")
        return read_instance(path if path.is_file() else SHIPPED_DATA / (file or ""))
    made = read_recipe({**recipe, "name": name})
    data = getattr(made.routing, "path", None)
    if data is not None:
        with naming_field("routing.path"):
            msgspec.convert(data, FileName)  # no path out of the folder
    return make_instance(made, folder)[0]


def placement_name(name: str, sha256: str) -> str:
    """File of a placement: its hash makes it another file than the one it replaces."""
    return f"{name}-{sha256[:12]}.json.gz"
