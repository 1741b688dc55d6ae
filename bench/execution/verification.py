"""Verify runs: evaluate the placement, and check the claims of the solver against it."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from slimbench.bench.isolation.messages import PackedPlacement
from slimbench.bench.isolation.outcome import EVALUATED, Outcome
from slimbench.bench.isolation.trajectory import POINTS, Step, best_so_far, thinned
from slimbench.bench.results.references import reference_of
from slimbench.formulations import ContradictionError
from slimbench.formulations.tolerances import agree, exceeds
from slimbench.instances import Instance, InstanceError, Placement, evaluate, read_instance

RECOMPUTED: Final = 1e-12  # relative to latency(none); another platform may sum in another order
EVALUATED_ACTIVATIONS: Final = 4 * 10**7  # looked at for one trajectory: a few seconds
MIN_EVALUATED: Final = 25  # placements of a trajectory, however large the instance


def verified(instance: Instance, outcome: Outcome) -> dict[str, Any]:
    """The result columns of a run: status, and figures re-evaluated from the placement.

    A returned placement that does not fit is ``invalid_placement``; a claim of optimality, or a bound,
    that the placement contradicts by more than the ``tolerance`` is ``error``, and so is a guarantee that is
    none; a bound that it exceeds by less is raised to it. A run that was stopped keeps its last valid
    incumbent.
    """
    status, message, termination = outcome.status, outcome.message, "none"
    values: dict[str, float | None] = dict.fromkeys(EVALUATED)
    bound = outcome.bound_saving_s
    placement, fault = _feasible(instance, outcome.placement)
    if placement is None:
        if status == "ok":
            status, message = "invalid_placement", fault
    else:
        evaluation = evaluate(instance, placement)
        saving = evaluation.saving_s
        values = {column: getattr(evaluation, column) for column in EVALUATED}
        termination = "feasible"
        if outcome.optimal and bound is None:
            bound = saving
        none = evaluation.latency_none_s
        if bound is not None and exceeds(saving, bound, none):
            status, message = "error", f"claims the bound {bound:.9g} s, its placement saves {saving:.9g} s"
        elif outcome.optimal and bound is not None and not agree(saving, bound, none):
            status = "error"
            message = f"claims an optimum of {bound:.9g} s, its placement saves {saving:.9g} s"
        elif bound is not None:
            bound = max(bound, saving)
            termination = "optimal" if outcome.optimal else termination
    if status == "ok" and outcome.guarantee.fault:
        status, message = "error", outcome.guarantee.fault
    return {
        "status": status,
        "termination": termination,
        "message": message,
        **values,
        "bound_saving_s": bound,
        "runtime_s": outcome.runtime_s,
        "cpu_s": outcome.cpu_s,
        "peak_memory_mb": outcome.peak_memory_mb,
        "guarantee_ratio": outcome.guarantee.ratio if status == "ok" else None,
        "figures": json.dumps(outcome.figures, sort_keys=True),
        "trajectory": json.dumps(_trajectory(instance, outcome, values["saving_s"], bound)),
        "placement": outcome.placement.bits if placement is not None and outcome.placement else None,
        "load_before": outcome.load_before,
    }


def transferred(result: Mapping[str, Any], instance: Instance) -> dict[str, Any]:
    """The result columns of a run that was planned on another instance, for the one it is evaluated on.

    Only the placement carries over, and is evaluated anew. The bound, the proof of optimality, the guarantee
    and the incumbents on the way are about what was planned on, and are left out.

    Parameters
    ----------
    result : dict
        As ``verified`` gives it for what was planned on: of the same servers, models and experts.
    """
    values: dict[str, float | None] = dict.fromkeys(EVALUATED)
    if result["placement"] is not None:
        packed = PackedPlacement((instance.n_servers, instance.n_experts), result["placement"])
        evaluation = evaluate(instance, packed.unpack())
        values = {column: getattr(evaluation, column) for column in EVALUATED}
    return {
        **result,
        **values,
        "termination": "none" if result["placement"] is None else "feasible",
        "bound_saving_s": None,
        "guarantee_ratio": None,
        "trajectory": "[]",
    }


def _feasible(instance: Instance, packed: PackedPlacement | None) -> tuple[Placement | None, str]:
    """The placement if there is one and it is feasible, else why not."""
    if packed is None:
        return None, "no placement"
    try:
        placement = packed.unpack()
    except InstanceError as error:
        return None, str(error)
    violation = placement.violation(instance)
    return (None, violation) if violation else (placement, "")


def _trajectory(
    instance: Instance, outcome: Outcome, saving_s: float | None, bound_saving_s: float | None
) -> list[Step]:
    """The run over time: savings of feasible incumbents, evaluated here, and bounds as claimed.

    Of a run that returned, what its row says is the end.
    """
    count = min(POINTS, max(MIN_EVALUATED, EVALUATED_ACTIVATIONS // max(1, instance.n_activations)))
    savings = [
        (seconds, evaluate(instance, placement).saving_s)
        for seconds, packed in thinned(outcome.incumbents.placements, count)
        if (placement := _feasible(instance, packed)[0]) is not None
    ]
    least_s = -math.inf if bound_saving_s is None else bound_saving_s  # raised to what its placement saves
    bounds = [(seconds, max(bound, least_s)) for seconds, bound in outcome.incumbents.bounds]
    if outcome.status == "ok":
        if saving_s is not None:
            savings.append((outcome.runtime_s, saving_s))
        if bound_saving_s is not None:
            bounds.append((outcome.runtime_s, bound_saving_s))
    return best_so_far(savings, bounds)


def verify_run(folder: Path) -> list[str]:
    """Check a run folder once more from its files alone; returns a line for every fault found.

    Every cell and every instance file is looked at, every stored placement evaluated anew, every reference
    rebuilt.

    Raises
    ------
    StoreError, InstanceError
        If the folder is not one of a run, or an instance file cannot be read.
    """
    from slimbench.bench.store.run_folder import instance_file  # noqa: PLC0415  (a single run has no store)
    from slimbench.bench.store.store import Store  # noqa: PLC0415

    with contextlib.closing(Store.snapshot(folder)) as store:
        runs = store.runs("status != 'planned'")
        known = {row["instance_hash"]: row for row in (*store.instances(), *store.instances(planned_on=True))}
        faults = list(map(str, store.bad_cells))
        damaged = {cell.row for cell in store.bad_cells if cell.table == "runs"}  # and said to be
    for key, row in known.items():
        instance = read_instance(instance_file(folder, row["file"]))
        if instance.sha256 != key:
            faults.append(f"{row['instance']}: {row['file']} is not the instance that was run")
            continue
        own = [run for run in runs if run["instance_hash"] == key]
        faults += [
            f"{row['instance']}: run {run['run_id']} ({run['solver']}): {problem}"
            for run in own
            if run["run_id"] not in damaged and (problem := _stored_fault(instance, run))
        ]
        try:
            reference_of(own)
        except ContradictionError as error:
            faults.append(str(error))
    return faults


def _stored_fault(instance: Instance, run: Mapping[str, Any]) -> str | None:
    """Why a stored run does not verify, or None."""
    if run["planning_hash"] is not None and run["bound_saving_s"] is not None:
        return f"has the bound {run['bound_saving_s']:.9g} s of another instance, on which it was planned"
    if run["placement"] is None:
        if run["status"] == "ok" or run["saving_s"] is not None:
            return f"status {run['status']}, saving_s {run['saving_s']} without a placement"
        return None
    try:
        packed = PackedPlacement((instance.n_servers, instance.n_experts), run["placement"])
        placement = packed.unpack()
    except InstanceError as error:
        return str(error)
    if violation := placement.violation(instance):
        return violation
    evaluation = evaluate(instance, placement)
    for column in EVALUATED:
        stored, found = run[column], getattr(evaluation, column)
        if stored is None or abs(stored - found) > RECOMPUTED * max(abs(found), evaluation.latency_none_s):
            return f"{column} is stored as {stored}, its placement gives {found:.12g}"
    return None
