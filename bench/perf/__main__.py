"""``python -m slimbench.bench.perf [NAME ...]``: run benchmarks, all by default, and write their tables.

``harness`` stands for all whose names start with ``harness-``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Final

from slimbench.bench.perf.bounds import bounds
from slimbench.bench.perf.building import building
from slimbench.bench.perf.convolution import convolution
from slimbench.bench.perf.decomposition import decomposition
from slimbench.bench.perf.greedy import greedy
from slimbench.bench.perf.growth import growth
from slimbench.bench.perf.hard import hard
from slimbench.bench.perf.harness import executors, overhead
from slimbench.bench.perf.harness_suites import jobs, long
from slimbench.bench.perf.start import start
from slimbench.bench.perf.table import Table
from slimbench.bench.perf.textbook import textbook
from slimbench.bench.perf.traces import traces

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
