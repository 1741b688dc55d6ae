"""``python -m perf [NAME ...]``: run benchmarks, all by default, and write their tables.

``harness`` stands for all whose names start with ``harness-``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Final

from perf.bounds import bounds
from perf.building import building
from perf.convolution import convolution
from perf.decomposition import decomposition
from perf.greedy import greedy
from perf.growth import growth
from perf.hard import hard
from perf.harness.overhead import executors, overhead
from perf.harness.suites import jobs, long
from perf.start import start
from perf.table import Table
from perf.textbook import textbook
from perf.traces import traces

BENCHMARKS: Final[dict[str, Callable[[], Table]]] = {
    "start": start,
    "building": building,
    "hard": hard,
    "bounds": bounds,
    "textbook": textbook,
    "greedy": greedy,
    "convolution": convolution,
    "decomposition": decomposition,
    "growth": growth,
    "traces": traces,
    "harness-overhead": overhead,
    "harness-executors": executors,
    "harness-jobs": jobs,
    "harness-long": long,
}
FOLDER: Final = Path("perf")


def main(names: list[str]) -> int:
    """Write ``perf/NAME.csv`` and ``perf/NAME.md`` under the current folder for each benchmark."""
    if unknown := [name for name in names if not _meant(name)]:
        print(f"{unknown[0]!r} is no benchmark, expected among {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in chain.from_iterable(map(_meant, names)) if names else BENCHMARKS:
        table = BENCHMARKS[name]()
        table.write(FOLDER, name)
        print(table.markdown())
    return 0


def _meant(name: str) -> list[str]:
    """The benchmark of that name, or those of that group."""
    return [known for known in BENCHMARKS if known == name or known.startswith(f"{name}-")]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
