"""``start``: what commands cost beside their work, benchopt's own commands next to them."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from perf.child import command_seconds
from perf.peers.benchopt_peer import write_benchmark
from perf.table import Cell, Table

ROUNDS: Final = 5
SLIMBENCH: Final = ("-m", "slimbench.bench.cli.main")
BENCHOPT: Final = ("-m", "benchopt")
INSTANCE: Final = "cells.json.gz"
NEW: Final = (
    *SLIMBENCH, "instance", "new", "random", "--out", INSTANCE, "--set", "models=mixtral-8x7b",
    "--set", "layers=3", "--set", "network.servers=3", "--set", "network.users=8",
)  # fmt: skip
SHELL: Final = ("-c", "import typer, rich")
NUMBERS: Final = ("-c", "import numpy, msgspec, psutil")
KERNELS: Final = ("-c", "import numba")
COMPILED: Final = (
    "local-search", "annealing", "slim-greedy", "slim-dp", "slim-maxconv", "slim-sweep", "lagrangian",
    "bounds", "lns", "exact",
)  # fmt: skip
COMMANDS: Final[
    Mapping[str, tuple[Sequence[str], tuple[str, ...]]]
] = {  # with the imports it is held against
    "import typer, rich": (SHELL, ()),
    "import numpy, msgspec, psutil": (NUMBERS, ()),
    "import numba": (KERNELS, ()),
    "slimbench --help": ((*SLIMBENCH, "--help"), ("import typer, rich",)),
    "slimbench solvers": ((*SLIMBENCH, "solvers"), ("import numpy, msgspec, psutil",)),
    "slimbench solve -s popularity": (
        (*SLIMBENCH, "solve", INSTANCE, "-s", "popularity"),
        ("import numpy, msgspec, psutil",),
    ),
    **{
        f"slimbench solve -s {solver}": (
            (*SLIMBENCH, "solve", INSTANCE, "-s", solver),
            ("import numpy, msgspec, psutil", "import numba"),
        )
        for solver in COMPILED
    },
    "benchopt --help": ((*BENCHOPT, "--help"), ()),
    "benchopt run, a solver that does nothing": (
        (*BENCHOPT, "run", ".", "--no-plot", "--no-cache", "-r", "1"),
        (),
    ),
}
COLD: Final = ("popularity", "slim-dp", "slim-greedy", "slim-maxconv", "lagrangian", "exact")
CAPTION: Final = (
    "Seconds of fresh interpreters, with all that they start; medians of five rounds in turn, everything "
    "compiled before. Ratio: CPU seconds over those of the imports named, added up. Cold: one `solve` with "
    "an empty folder for compiled code, a single time each."
)


def start(rounds: int = ROUNDS, cold: Sequence[str] = COLD) -> Table:
    """Measure each command ``rounds`` times in turn, and one cold run of some solvers."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_benchmark(folder)
        command_seconds(NEW, folder)
        for number in range(rounds + 1):  # the first warms up
            for command, (arguments, _) in COMMANDS.items():
                seconds = command_seconds(arguments, folder)
                print(command, seconds, file=sys.stderr, flush=True)
                if number:
                    taken[command].append(seconds)
        rows = []
        medians = {command: tuple(map(median, zip(*runs, strict=True))) for command, runs in taken.items()}
        for command, (_, beside) in COMMANDS.items():
            wall_s, cpu_s = medians[command]
            reference_s = sum(medians[imports][1] for imports in beside)
            rows.append(_row(command, wall_s, cpu_s, " + ".join(beside), reference_s))
        for solver in cold:
            cache = folder / "cache"
            shutil.rmtree(cache, ignore_errors=True)
            arguments = [*SLIMBENCH, "solve", INSTANCE, "-s", solver]
            wall_s, cpu_s = command_seconds(arguments, folder, {"NUMBA_CACHE_DIR": str(cache)})
            rows.append(_row(f"cold: slimbench solve -s {solver}", wall_s, cpu_s, "", 0.0))
    return Table(CAPTION, rows)


def _row(command: str, wall_s: float, cpu_s: float, beside: str, reference_s: float) -> dict[str, Cell]:
    ratio = cpu_s / reference_s if reference_s else None
    return {"command": command, "wall_s": wall_s, "cpu_s": cpu_s, "beside": beside, "ratio": ratio}
