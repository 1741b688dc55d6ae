"""The exact formulations by name, and what all of them share: placement columns and capacities."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from slimbench.formulations.assignment import build_assignment
from slimbench.formulations.cover import build_cover
from slimbench.formulations.destination import build_destination
from slimbench.formulations.errors import SolverError
from slimbench.formulations.milp import Milp, MilpBuilder
from slimbench.formulations.radius import build_radius
from slimbench.formulations.workload import REDUCTIONS, Workload, reduced_workload
from slimbench.instances import Instance
from slimbench.instances.arrays import IntArray
from slimbench.instances.evaluation import latencies_without_cache

Fill = Callable[[MilpBuilder, Workload, IntArray], None]

FORMULATIONS: Final[dict[str, Fill]] = {
    "cover": build_cover,
    "destination": build_destination,
    "radius": build_radius,
    "assignment": build_assignment,
}
_DISPATCHES: Final = {
    "cover": ("single", "parallel", "serial"),
    "destination": ("single",),
    "radius": ("parallel", "serial"),
    "assignment": ("parallel", "serial"),
}
ALL_REDUCTIONS: Final = frozenset(REDUCTIONS)


def applies(formulation: str, instance: Instance) -> bool:
    """Whether a formulation models the instance: its dispatch does, or no group has two experts."""
    return instance.dispatch in _DISPATCHES[formulation] or instance.max_group_size <= 1


def build_milp(
    instance: Instance, formulation: str = "cover", reductions: frozenset[str] = ALL_REDUCTIONS
) -> Milp:
    """Build the exact model of an instance as arrays (docs/MODEL.md, section on formulations).

    Raises
    ------
    SolverError
        If the formulation or a reduction is unknown, or does not model this dispatch.
    """
    if formulation not in FORMULATIONS:
        raise SolverError(f"formulation is {formulation!r}, expected one of {', '.join(FORMULATIONS)}")
    if unknown := reductions - ALL_REDUCTIONS:
        raise SolverError(f"reduction is {min(unknown)!r}, expected among {', '.join(REDUCTIONS)}")
    if not applies(formulation, instance):
        raise SolverError(
            f"formulation {formulation} does not model dispatch {instance.dispatch} for groups of several"
        )
    workload = reduced_workload(instance, reductions)
    builder = MilpBuilder()
    x = _placement_columns(builder, workload)
    _capacities(builder, instance, x)
    if "symmetry" in reductions:
        _order_identical_servers(builder, instance, x)
    FORMULATIONS[formulation](builder, workload, x)
    none = float(np.dot(instance.rates, latencies_without_cache(instance)))
    return builder.build(x, none)


def _placement_columns(builder: MilpBuilder, workload: Workload) -> IntArray:
    """x[n, e] as (N, X) column numbers, -1 for experts left out."""
    instance = workload.instance
    placed = np.ones(instance.n_experts, np.bool_)
    if "unnamed-experts" in workload.reductions:
        placed = np.bincount(workload.group_experts, minlength=instance.n_experts) > 0
    x = np.full((instance.n_servers, instance.n_experts), -1, np.int64)
    x[:, placed] = builder.columns(np.zeros(instance.n_servers * int(placed.sum()))).reshape(
        instance.n_servers, -1
    )
    return x


def _capacities(builder: MilpBuilder, instance: Instance, x: IntArray) -> None:
    """Capacity in the largest unit that divides every size, so that coefficients stay small integers."""
    unit = math.gcd(*(model.expert_bytes for model in instance.models))
    row, expert = np.nonzero(x >= 0)
    sizes = instance.expert_bytes[expert] // unit
    capacities = np.minimum(instance.capacities_bytes // unit, (instance.expert_bytes // unit).sum())
    builder.rows(row, x[row, expert], sizes, capacities, instance.n_servers)


def _order_identical_servers(builder: MilpBuilder, instance: Instance, x: IntArray) -> None:
    placed = np.flatnonzero(x[0] >= 0)
    last_of: dict[tuple[int, bytes], int] = {}
    for n in range(instance.n_servers):
        twin = (int(instance.capacities_bytes[n]), instance.edge_latency_s[:, n].tobytes())
        if twin in last_of and placed.size:
            columns = np.concatenate([x[n, placed], x[last_of[twin], placed]])
            builder.rows(
                np.zeros(len(columns), np.int64), columns, np.repeat([1.0, -1.0], len(placed)), 0.0, 1
            )
        last_of[twin] = n
