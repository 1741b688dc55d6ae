"""What a benchmark hands back: a table with a caption, written as CSV and Markdown."""

from __future__ import annotations

import csv
import gc
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression, median
from typing import TypeVar

Cell = str | int | float | None
_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Table:
    """Rows with the same keys; None is what was not measured.

    Parameters
    ----------
    caption : str
        What was measured and how; units are in the names of the columns.
    rows : sequence of dict
    """

    caption: str
    rows: Sequence[dict[str, Cell]]

    def markdown(self) -> str:
        """The caption and a pipe table."""
        header = list(self.rows[0])
        lines = [header, ["---"] * len(header), *([_text(row[key]) for key in header] for row in self.rows)]
        return "\n".join([self.caption, "", *("| " + " | ".join(line) + " |" for line in lines), ""])

    def write(self, folder: Path, name: str) -> None:
        """Write ``name.csv`` and ``name.md`` into a folder, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.joinpath(f"{name}.md").write_text(self.markdown(), encoding="utf-8")
        with folder.joinpath(f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)


def median_s(make: Callable[[_Given], _Made], given: Callable[[], _Given], runs: int) -> tuple[float, _Made]:
    """Median wall seconds of ``make(given())``, ``given()`` not counted, and what the last run made."""
    seconds = []
    for _ in range(runs):
        argument = given()
        gc.collect()
        start = time.perf_counter()
        made = make(argument)
        seconds.append(time.perf_counter() - start)
    return median(seconds), made


def growth_exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Least-squares slope of log values against log sizes: 1 where one grows as the other does."""
    x, y = [math.log(size) for size in sizes], [math.log(value) for value in values]
    return linear_regression(x, y).slope


def _text(cell: Cell) -> str:
    return "" if cell is None else f"{cell:.3g}" if isinstance(cell, float) else str(cell)
