"""Sections of a report and their tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from slimbench.reports.tables.tables import Table

FIGURES: Final = "figures"
RUNS: Final = "runs"
PROVENANCE: Final = "provenance"


@dataclass(frozen=True)
class Part:
    """A table with the lines that stand above it, and what stands there instead of an empty one.

    ``caption`` names the table in files of its own; an empty table without ``empty`` is left out.
    """

    caption: str
    table: Table
    text: str = ""
    empty: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page; those without parts are the page's own: figures, runs, provenance."""

    id: str
    title: str
    parts: Sequence[Part] = ()

    @property
    def shown(self) -> list[Part]:
        """Those that have something to show, or to say."""
        return [part for part in self.parts if part.table.rows or part.empty]
