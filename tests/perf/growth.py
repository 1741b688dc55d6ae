"""``growth``: time and memory of the heuristics against the number of activations, up to ten million."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from perf.child import in_child, peak_mib
from perf.table import Cell, Table, growth_exponent, median_s

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.plugin import parse_call
from slimbench.bench.plugins.registry import find_solvers
from slimbench.bench.plugins.warm_up import warm_up
from slimbench.instances import Instance, read_instance, write_instance
from slimbench.instances.generators.generate import make_instance, read_recipe

SOLVERS: Final = {  # and the models that they are measured on
    "slim-greedy": "switch-base-128",
    "slim-maxconv": "mixtral-8x7b",
    "slim-sweep": "mixtral-8x7b",
}
USERS: Final = {  # about 10^4, 10^5, 10^6, 10^7 activations
    "switch-base-128": (12, 117, 1170, 11_700),
    "mixtral-8x7b": (12, 116, 1160, 11_600),
}
RUNS: Final = 5
BUILDING: Final = "(the instance)"

CAPTION: Final = (
    "Median wall seconds of the solver alone in five runs, one thread, and the highest resident memory of a "
    "process of its own that reads the instance and solves it once: 20 servers, each with room for a quarter "
    "of all experts; Switch-base-128 (K = 1) for `slim-greedy`, Mixtral (K = 2), dispatch `single`, for the "
    f"others. {BUILDING}: one run of drawing and writing it, in a process of its own too. Exponents are "
    "least-squares slopes, over all sizes, of log seconds and of log memory against log activations."
)


def growth(users: Mapping[str, tuple[int, ...]] = USERS, solvers: Mapping[str, str] = SOLVERS) -> Table:
    """Measure every solver at every size: users by model, and the model of each solver."""
    rows: list[dict[str, Cell]] = []
    with tempfile.TemporaryDirectory() as folder:
        for model, counts in users.items():
            files = [str(Path(folder, f"{model}-{count}.npz")) for count in counts]
            runs = [
                in_child(write_drawn, model, count, file) for count, file in zip(counts, files, strict=True)
            ]
            rows += _rows(BUILDING, model, runs)
            for solver in (solver for solver, of in solvers.items() if of == model):
                rows += _rows(solver, model, [in_child(solve_from, file, solver) for file in files])
    return Table(CAPTION, rows)


def write_drawn(model: str, users: int, file: str) -> tuple[int, float, float]:
    """Draw an instance and write it; returns activations, seconds and highest resident MiB."""
    recipe: dict[str, object] = {
        "name": f"{model}-{users}",
        "dispatch": "single",
        "models": [model],
        "network": {"servers": 20, "users": users, "area_side_m": 1000.0},
        "routing": {"kind": "zipf", "tokens": 128},
    }

    def write(fields: dict[str, object]) -> Instance:
        instance = make_instance(read_recipe(fields))[0]
        write_instance(instance, Path(file))
        return instance

    seconds, instance = median_s(write, lambda: recipe, 1)
    return instance.n_activations, seconds, peak_mib()


def solve_from(file: str, solver: str) -> tuple[int, float, float]:
    """Read an instance and solve it; returns activations, seconds and highest resident MiB of one run."""
    call = parse_call(solver, find_solvers())
    warm_up(call)
    instance = read_instance(Path(file))

    def solve(given: Instance) -> None:
        call.solver(given, SolveContext(np.random.default_rng(0)), **call.parameters)

    solve(instance)
    peak = peak_mib()
    seconds, _ = median_s(solve, lambda: replace(instance), RUNS)
    return instance.n_activations, seconds, peak


def _rows(solver: str, model: str, runs: list[tuple[int, float, float]]) -> list[dict[str, Cell]]:
    activations, seconds, memory_mib = zip(*runs, strict=True)
    rows: list[dict[str, Cell]] = [
        {
            "solver": solver,
            "model": model,
            "activations": count,
            "seconds": taken,
            "peak_mib": round(peak),
            "seconds_exponent": None,
            "memory_exponent": None,
        }
        for count, taken, peak in runs
    ]
    rows[-1]["seconds_exponent"] = growth_exponent(activations, seconds)
    rows[-1]["memory_exponent"] = growth_exponent(activations, memory_mib)
    return rows
