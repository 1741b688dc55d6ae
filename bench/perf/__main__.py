"""``python -m slimbench.bench.perf [NAME ...]``: run benchmarks, all by default, and write their tables."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from slimbench.bench.perf.bounds import bounds
from slimbench.bench.perf.building import building
from slimbench.bench.perf.convolution import convolution
from slimbench.bench.perf.decomposition import decomposition
from slimbench.bench.perf.greedy import greedy
from slimbench.bench.perf.growth import growth
from slimbench.bench.perf.hard import hard
from slimbench.bench.perf.table import Table
from slimbench.bench.perf.textbook import textbook

BENCHMARKS: Final[dict[str, Callable[[], Table]]] = {
    "building": building,
    "hard": hard,
    "bounds": bounds,
    "textbook": textbook,
    "greedy": greedy,
    "convolution": convolution,
    "decomposition": decomposition,
    "growth": growth,
}
FOLDER: Final = Path("perf")


def main(names: list[str]) -> int:
    """Write ``perf/NAME.csv`` and ``perf/NAME.md`` under the current folder for each benchmark."""
    if unknown := set(names) - set(BENCHMARKS):
        print(f"{min(unknown)!r} is no benchmark, expected among {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        table = BENCHMARKS[name]()
        table.write(FOLDER, name)
        print(table.markdown())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
