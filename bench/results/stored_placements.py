"""Placements that a run folder holds: an instance's best known one, and the best of each solver."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from slimbench.bench.isolation.messages import PackedPlacement
from slimbench.bench.results.references import reference_of
from slimbench.bench.store.run_folder import instance_file
from slimbench.bench.store.store import Store, StoreError
from slimbench.formulations import ContradictionError
from slimbench.instances import Instance, InstanceError, Placement, read_instance

OPTIMUM: Final = "optimum"
CLAIMED: Final = "claimed optimum"
BEST_KNOWN: Final = "best known"


def stored_placements(
    folder: Path, name: str | None, solvers: Sequence[str] = ()
) -> tuple[Instance, dict[str, Placement]]:
    """One instance of a run, the placement that saves most of all roles' runs, and the best of each solver.

    Parameters
    ----------
    folder : Path
        Of a run.
    name : str, optional
        The instance's name or hash, or the beginning of the hash; without it, the run's only instance.
    solvers : sequence of str
        Solvers or calls of them, as the run names them. The best repeat counts, of those planned on the
        instance itself.

    Returns
    -------
    instance : Instance
    placements : dict of Placement
        The first is called ``optimum`` where it is proven to be one, ``claimed optimum`` on the word of one
        code base, else ``best known``.

    Raises
    ------
    StoreError
        If there is no such instance, or no placement of one of the solvers.
    InstanceError
        If the instance's file is not what it must be.
    """
    with contextlib.closing(Store.snapshot(folder)) as store:
        row = _chosen(folder, store.instances(), name)
        runs = store.runs("status != 'planned' AND instance_hash = ?", (row["instance_hash"],))
    instance = read_instance(instance_file(folder, row["file"]))
    if instance.sha256 != row["instance_hash"]:
        raise StoreError(f"{folder}: {row['file']} is not the instance that was run")
    placed = [run for run in runs if run["placement"] is not None and run["saving_s"] is not None]
    found: dict[str, Placement] = {}
    if placed:
        found[_standing(runs)] = _best(folder, instance, placed)
    for solver in solvers:
        own = [
            run
            for run in placed
            if solver in (run["solver"], run["solver_name"]) and run["planning_hash"] is None
        ]
        if not own:
            known = ", ".join(dict.fromkeys(run["solver"] for run in placed)) or "none"
            problem = f"{solver!r} has no placement of {row['instance']}, expected one of {known}"
            raise StoreError(f"{folder}: --solver: {problem}")
        found[solver] = _best(folder, instance, own)
    return instance, found


def _chosen(folder: Path, rows: Sequence[Mapping[str, Any]], name: str | None) -> Mapping[str, Any]:
    chosen = [
        row
        for row in rows
        if name is None or name == row["instance"] or (name and row["instance_hash"].startswith(name))
    ]
    if len(chosen) == 1:
        return chosen[0]
    known = ", ".join(f"{row['instance']} ({row['instance_hash'][:8]})" for row in chosen or rows)
    problem = "is missing" if name is None else f"is {name!r}"
    raise StoreError(f"{folder}: --instance: {problem}, expected one of {known}")


def _standing(runs: Iterable[Mapping[str, Any]]) -> str:
    try:
        reference = reference_of(runs)
    except ContradictionError:
        return BEST_KNOWN
    return OPTIMUM if reference.proven else CLAIMED if reference.closed else BEST_KNOWN


def _best(folder: Path, instance: Instance, runs: Sequence[Mapping[str, Any]]) -> Placement:
    """The stored placement that saves most; the first of equals."""
    best = max(runs, key=lambda run: float(run["saving_s"]))
    try:
        return PackedPlacement((instance.n_servers, instance.n_experts), best["placement"]).unpack()
    except InstanceError as error:
        raise StoreError(f"{folder}: run {best['run_id']}: {error}") from None
