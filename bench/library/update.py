"""Update of the instance library: run solvers in isolation, and keep better placements and bounds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from slimbench.bench.execution.run_once import run_once
from slimbench.bench.isolation.messages import PackedPlacement
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.library.records import best_of, with_best, with_bound
from slimbench.bench.plugins.plugin import Call
from slimbench.bench.plugins.versions import code_version
from slimbench.instances import Instance
from slimbench.instances.library.changes import change_entry, check_writable, today
from slimbench.instances.library.index import Bound, Entry
from slimbench.instances.library.library import Library

MEMORY_LIMIT_MB: Final = 8192.0
TRUSTED: Final = {"ok", "time_limit", "memory_limit"}  # bounds of a run that was stopped are proven


@dataclass(frozen=True)
class Attempt:
    """A solver's run on an instance of the library.

    Attributes
    ----------
    call : Call
        The solver.
    row : dict
        Result columns of the run, as ``verified`` gives them.
    before, after : Entry
        The records of the instance; equal if the run added nothing.
    """

    call: Call
    row: Mapping[str, Any]
    before: Entry
    after: Entry


def update(
    library: Library,
    entries: Iterable[Entry],
    calls: Sequence[Call],
    time_limit_s: float,
    plugin_files: Sequence[Path] = (),
    seed: int = 0,
) -> Iterator[Attempt]:
    """Run solvers on instances, one at a time, isolated as in a suite.

    Better records are written to the library's folder before the attempt is yielded. Bounds of exact
    solvers count unless the run failed by itself, and placements if they verify.

    Raises
    ------
    InstanceError
        If an instance cannot be made, or the folder cannot be written.
    """
    check_writable(library.folder)
    with tempfile.TemporaryDirectory() as name, Workers() as workers:
        folder = Path(name)
        for entry in entries:
            instance = library.instance(entry)
            for call in calls:
                row, _ = run_once(
                    workers,
                    folder,
                    instance,
                    call,
                    time_limit_s=time_limit_s,
                    memory_limit_mb=MEMORY_LIMIT_MB,
                    seed=seed,
                    plugin_files=plugin_files,
                )
                before, after = _recorded(library.folder, entry.name, instance, call, row)
                yield Attempt(call, row, before, after)


def _recorded(
    folder: Path, name: str, instance: Instance, call: Call, row: Mapping[str, Any]
) -> tuple[Entry, Entry]:
    """Keep placement and bound of a verified run if they are better; return the entry before and after."""
    version = code_version(call)
    placement, best, bound = None, None, None
    if row["placement"] is not None:
        shape = (instance.n_servers, instance.n_experts)
        placement = PackedPlacement(shape, row["placement"]).unpack()
        best = best_of(instance, placement, call.label, version)
    if call.solver.proves and row["status"] in TRUSTED and row["bound_saving_s"] is not None:
        bound = Bound(
            saving_s=max(row["bound_saving_s"], row["saving_s"] or 0.0),
            by=call.label,
            library=call.solver.library(call.parameters),
            version=version,
            date=today(),
        )

    def change(entry: Entry) -> Entry:
        entry = entry if best is None else with_best(entry, best)
        return entry if bound is None else with_bound(entry, bound)

    return change_entry(folder, name, change, instance, placement)
