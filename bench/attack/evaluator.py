"""Evaluate a solver on one instance: isolated run, proven optimum, ratio, and broken promises."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from slimbench.bench.attack.draft import Limits
from slimbench.bench.execution.run_once import run_once
from slimbench.bench.isolation.messages import Status
from slimbench.bench.isolation.outcome import Outcome
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.plugins.plugin import Call, parse_call
from slimbench.bench.plugins.registry import find_solvers
from slimbench.bench.results.references import ENUMERATION, Reference, reference_of
from slimbench.formulations import ContradictionError
from slimbench.formulations.brute_force import placement_count
from slimbench.formulations.tolerances import exceeds, share_of
from slimbench.instances import Dispatch, Instance, InstanceError, Placement, write_instance

FaultKind = Literal["infeasible", "crash", "hang", "memory", "claim", "guarantee", "contradiction"]
ENUMERATED_PLACEMENTS: Final = 200  # more are left to ``exact``, which then takes less time
REFERENCE_TIME_LIMIT_S: Final = 10.0  # instances are small; one that takes longer counts as open
FAULTS_OF_STATUS: Final[Mapping[Status, FaultKind]] = {
    "invalid_placement": "infeasible",
    "crashed": "crash",
    "error": "crash",
    "time_limit": "hang",
    "memory_limit": "memory",
}


@dataclass(frozen=True)
class AttackSettings:
    """The solver that is attacked, and the limits of the attack.

    Attributes
    ----------
    call : Call
        The solver.
    plugin_files : tuple of Path
        Loaded in the process of every run.
    rounds : int
        After the first generation.
    seed : int
        Of the search, and of every run of the solver.
    time_limit_s, memory_limit_mb : float
        Of each run of the solver.
    timeout_s : float or None
        Of the whole search, which then ends after the current candidate.
    """

    call: Call
    plugin_files: tuple[Path, ...]
    dispatch: Dispatch
    limits: Limits
    rounds: int
    seed: int
    time_limit_s: float
    memory_limit_mb: float
    timeout_s: float | None


@dataclass(frozen=True)
class Fault:
    """A promise that was broken."""

    kind: FaultKind
    detail: str


@dataclass(frozen=True)
class Verdict:
    """The result of a solver on one instance.

    Attributes
    ----------
    row : dict
        Columns of the verified run; with the status ``no_solution`` the solver declines.
    reference : Reference
        Best saving and bound; if it is not closed, there is no ratio.
    reference_solver : str
        The solver that proved it.
    ratio : float or None
        saving / upper bound; 1 where nothing can be saved.
    guarantee : float or None
        The ratio that the solver guarantees for this run.
    placement : Placement or None
        As the solver returned it, feasible or not; None if it has another shape than the instance.
    """

    instance: Instance
    row: Mapping[str, Any]
    fault: Fault | None
    reference: Reference
    reference_solver: str
    ratio: float | None
    guarantee: float | None
    placement: Placement | None
    optimum: Placement | None

    @property
    def margin(self) -> float | None:
        """Ratio minus guarantee, if there are both."""
        return None if self.ratio is None or self.guarantee is None else self.ratio - self.guarantee


class Evaluator:
    """Runs a solver and a reference on one instance after another, each in its own process.

    One run at a time: a solver that kills the fork server stops no other run.
    """

    def __init__(self, settings: AttackSettings, workers: Workers, folder: Path) -> None:
        self._settings, self._workers, self._folder = settings, workers, folder
        self._shipped = find_solvers()

    def evaluate(self, instance: Instance) -> Verdict:
        """Run both on an instance, and compare the results of the solver with the optimum."""
        settings, call = self._settings, self._settings.call
        write_instance(instance, self._folder / "instance.npz")
        reference_call = self._reference_call(instance)
        plugin_files = tuple(str(path.resolve()) for path in settings.plugin_files)
        # plugins take no part in the proof
        solved, proof = self._run(instance, reference_call, (), REFERENCE_TIME_LIMIT_S)
        row, outcome = self._run(instance, call, plugin_files, settings.time_limit_s)
        head = {"instance": instance.name, "time_limit_s": math.nan}
        solver = reference_call.solver
        rows = [
            {
                **solved,
                **head,
                "solver": reference_call.label,
                "exact": solver.proves and solved["status"] == "ok",
                "library": solver.library(reference_call.parameters),
            },
            {**row, **head, "solver": call.label, "exact": False},  # its own bound proves nothing here
        ]
        contradiction = None
        try:
            reference = reference_of(rows)
        except ContradictionError as error:
            contradiction = Fault("contradiction", str(error))
            reference = reference_of(rows[1:])
        saving, ratio = row["saving_s"], None
        if reference.closed and saving is not None and row["status"] == "ok":
            ratio = share_of(saving, reference.bound_saving_s, reference.latency_none_s)
        declared = call.solver.guarantee
        # A guarantee in the mean over seeds is not checked on single runs.
        guarantee = None if declared is None or declared.expected else row["guarantee_ratio"]
        fault = contradiction or _fault(row, outcome, reference, guarantee)
        return Verdict(
            instance=instance,
            row=row,
            fault=fault,
            reference=reference,
            reference_solver=reference_call.label,
            ratio=ratio,
            guarantee=guarantee,
            placement=_unpacked(instance, outcome),
            optimum=_unpacked(instance, proof),
        )

    def _reference_call(self, instance: Instance) -> Call:
        few = placement_count(instance, ENUMERATED_PLACEMENTS) is not None
        return parse_call(ENUMERATION if few else "exact", self._shipped)

    def _run(
        self, instance: Instance, call: Call, plugin_files: tuple[str, ...], time_limit_s: float
    ) -> tuple[dict[str, Any], Outcome]:
        return run_once(
            self._workers,
            self._folder,
            instance,
            call,
            time_limit_s=time_limit_s,
            memory_limit_mb=self._settings.memory_limit_mb,
            seed=self._settings.seed,
            plugin_files=plugin_files,
            instance_file=self._folder / "instance.npz",
        )


def _fault(
    row: Mapping[str, Any], outcome: Outcome, reference: Reference, guarantee: float | None
) -> Fault | None:
    status: Status = row["status"]
    if outcome.status == "ok" and status == "error":  # what it claims contradicts its own placement
        return Fault("claim", row["message"])
    if status in FAULTS_OF_STATUS:
        return Fault(FAULTS_OF_STATUS[status], f"{status}: {row['message']}")
    bound, saving, best = row["bound_saving_s"], row["saving_s"], reference.saving_s
    none = reference.latency_none_s
    if bound is not None and exceeds(best, bound, none):
        return Fault("claim", f"claims the bound {bound:.9g} s, a verified placement saves {best:.9g} s")
    if guarantee is not None and saving is not None and exceeds(guarantee * best, saving, none):
        ratio = saving / best
        return Fault("guarantee", f"saving / optimum is {ratio:.6f}, guaranteed {guarantee:.6f}")
    return None


def _unpacked(instance: Instance, outcome: Outcome) -> Placement | None:
    """Return the placement of a run if it has the shape of the instance."""
    if outcome.placement is None or outcome.placement.shape != (instance.n_servers, instance.n_experts):
        return None
    with contextlib.suppress(InstanceError):
        return outcome.placement.unpack()
    return None
