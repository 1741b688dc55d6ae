"""Verification of the instance library from its files: hashes, placements, bounds, and optima."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from slimbench.bench.execution.run_once import run_once
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.library.records import record_fault, reference_of_entry
from slimbench.bench.library.update import MEMORY_LIMIT_MB
from slimbench.bench.plugins.plugin import parse_call
from slimbench.bench.plugins.registry import find_solvers
from slimbench.formulations import ContradictionError
from slimbench.formulations.tolerances import tolerance
from slimbench.instances import Instance, InstanceError
from slimbench.instances.library.index import Entry
from slimbench.instances.library.library import Library

SOLVER: Final = "exact"
SOLVE_LIMIT_S: Final = 60.0  # small instances take seconds


def faults_of(library: Library, entries: Iterable[Entry], *, solve: bool = False) -> Iterator[str]:
    """Yield a line for every instance that does not verify.

    Each is made again and its hash compared; the placement must be the file that the index names, fit, have
    the saving and latency of the index, and save no more than the bounds.

    Parameters
    ----------
    solve : bool
        Solve small instances once more: the optimum must be the best known saving.
    """
    with ExitStack() as stack:
        workers = stack.enter_context(Workers()) if solve else None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for entry in entries:
            try:
                instance = library.instance(entry)
                fault = record_fault(entry, instance, library.placement(entry, instance))
                reference_of_entry(entry)
            except (InstanceError, ContradictionError) as error:
                fault = str(error).removeprefix(f"library: {entry.name}: ").removeprefix(f"{entry.name}: ")
            if fault is None and workers is not None and entry.size == "small":
                fault = _solve_fault(workers, folder, entry, instance)
            if fault is not None:
                yield f"{entry.name}: {fault}"


def _solve_fault(workers: Workers, folder: Path, entry: Entry, instance: Instance) -> str | None:
    """Solve an instance, and return how the optimum differs from the records, or None."""
    call = parse_call(SOLVER, find_solvers())
    row, _ = run_once(
        workers, folder, instance, call, time_limit_s=SOLVE_LIMIT_S, memory_limit_mb=MEMORY_LIMIT_MB
    )
    known = entry.best.saving_s if entry.best else 0.0
    if row["status"] != "ok" or row["termination"] != "optimal":
        return f"{SOLVER} claims no optimum in {SOLVE_LIMIT_S:g} s ({row['status']}: {row['message']})"
    if abs(row["saving_s"] - known) > tolerance(row["bound_saving_s"], row["latency_none_s"]):
        return (
            f"{SOLVER} claims an optimum of {row['saving_s']:.9g} s, the best known saving is {known:.9g} s"
        )
    return None
