"""A library of two instances made by the tests: a recipe, and the file of the documented example."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from samples import TWO_CELLS, TWO_CELLS_PLACEMENT

from slimbench.bench.library.records import new_entry
from slimbench.instances.library.changes import add_entry, new_library, today
from slimbench.instances.library.index import INDEX_NAME
from slimbench.instances.library.library import Library, read_library

RECIPE = {
    "dispatch": "serial",
    "models": ["switch-base-8"],
    "layers": 1,
    "network": {"servers": 2, "users": 3},
}
OPTIMUM_S, WORSE_S = 0.059, 0.045  # savings of two-cells, by hand: the optimum, and {0, 1} on edge-0 alone
OPTIMAL = TWO_CELLS_PLACEMENT
WORSE = OPTIMAL | {"experts": {"edge-0": [[0, 0, 0], [0, 0, 1]]}}
TOO_MUCH = OPTIMAL | {"experts": {"edge-1": [[0, 0, 0], [0, 0, 1]]}}


def small_library(folder: Path) -> Library:
    """A library of ``drawn`` and ``two-cells`` without any records."""
    new_library(folder, "test.1")
    (folder / "two-cells.json").write_text(json.dumps(TWO_CELLS))
    library = read_library(folder)
    add_entry(folder, new_entry(library, "drawn", "medium", RECIPE))
    add_entry(folder, new_entry(library, "two-cells", "small", file="two-cells.json"))
    return read_library(folder)


def write_placement_file(path: Path, document: dict[str, Any]) -> Path:
    """The file of a placement."""
    path.write_text(json.dumps(document))
    return path


def index_document(folder: Path) -> dict[str, Any]:
    """The index as plain values."""
    document: dict[str, Any] = json.loads((folder / INDEX_NAME).read_text())
    return document


def rewrite_index(folder: Path, document: dict[str, Any]) -> None:
    """Replace the index, as someone might by hand."""
    (folder / INDEX_NAME).write_text(json.dumps(document))


def records_of(folder: Path) -> dict[str, Any]:
    """What the index of a small library says of two-cells."""
    entry: dict[str, Any] = index_document(folder)["instances"][1]
    return entry


def set_bound(folder: Path, saving_s: float) -> None:
    """Give two-cells a bound, as if ``exact`` had claimed it."""
    document = index_document(folder)
    bound = {"saving_s": saving_s, "by": "exact", "library": "prices+highspy", "version": "", "date": today()}
    document["instances"][1]["bounds"] = [bound]
    rewrite_index(folder, document)
