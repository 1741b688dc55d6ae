"""Tables: cells of text made of a frame and a list of columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from slimbench.reports.tables.numbers import ratio_text, time_text

Text = Callable[..., str]


@dataclass(frozen=True)
class Cell:
    """Text with what it is: ``name``, ``number`` or ``text``, and ``good``, ``open`` or ``bad``.

    ``href`` is where it leads, relative to the report.
    """

    text: str
    kind: str = "number"
    href: str = ""


@dataclass(frozen=True)
class Table:
    """Column titles and rows; ``data`` is the CSV file that holds the same, if any."""

    titles: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    data: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    title : str
    keys : tuple of str
        Columns of the frame; ``text``, ``kind`` and ``href`` are called with a row's values of them.
    text : callable
        The text to show.
    kind : str or callable
        As in ``Cell``.
    href : callable, optional
        Where the cell leads.
    """

    title: str
    keys: tuple[str, ...]
    text: Text = str
    kind: str | Text = "number"
    href: Text | None = None

    def cell(self, row: dict[str, Any]) -> Cell:
        """The cell of one row."""
        values = [row[key] for key in self.keys]
        kind = self.kind if isinstance(self.kind, str) else self.kind(*values)
        return Cell(self.text(*values), kind, self.href(*values) if self.href else "")


def table_of(frame: pd.DataFrame, columns: Sequence[Column], data: str = "") -> Table:
    """The rows of a frame as text."""
    rows = [[column.cell(row) for column in columns] for row in records(frame)]
    return Table([column.title for column in columns], rows, data)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame by column."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def name(key: str, title: str = "") -> Column:
    """A column of names, by default under the frame's own title."""
    return Column(title or key, (key,), str, "name")


def words(key: str, title: str = "") -> Column:
    """A column of text."""
    return Column(title or key, (key,), str, "text")


def count(key: str, title: str = "") -> Column:
    """A column of numbers as they are."""
    return Column(title or key, (key,))


def failed(key: str = "n_failed", title: str = "failed") -> Column:
    """A column of counts that should be 0."""
    return Column(title, (key,), str, lambda n: "number bad" if n else "number")


def interval(stem: str, title: str, text: Text = ratio_text) -> Column:
    """A column of intervals from ``stem_low`` to ``stem_high``."""
    return Column(title, (f"{stem}_low", f"{stem}_high"), text)


def seconds(key: str, title: str, digits: int = 3) -> Column:
    """A column of times."""
    return Column(title, (key,), lambda value: time_text(value, digits))


def share_of(part: str, whole: str, title: str = "instances") -> Column:
    """A column of ``5 of 7``."""
    return Column(title, (part, whole), lambda n, of: f"{n} of {of}")
