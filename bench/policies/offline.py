"""``offline``, ``per-period`` and ``hindsight``: the optimum of a sequence, a bound on it, one placement."""

from __future__ import annotations

import time
from typing import Final, Literal

import numpy as np

from slimbench.bench import NoSolutionError, Observation, SolveContext, policy
from slimbench.bench.plugins.policy_planner import plan
from slimbench.formulations.backends import SolveOptions, Start, solve_milp
from slimbench.formulations.heuristics.reconfiguration import best_moves
from slimbench.formulations.milp.build import build_milp
from slimbench.formulations.milp.horizon import build_horizon, stacked, unstacked
from slimbench.instances import Instance, Placement
from slimbench.instances.problem.pooling import pooled
from slimbench.instances.sequences.sequence import Sequence, costs, fetch_prices_s, still_held

LOOKAHEADS: Final = (1.0, 2.0, 4.0, 8.0)  # periods that a move has to pay for itself in, in the starts


@policy("offline", sees="future", exact=True)
def offline(
    seen: Observation,
    context: SolveContext,
    *,
    formulation: Literal["cover", "destination", "radius", "assignment"] = "cover",
    backend: Literal["highs", "cbc", "scip", "cp-sat", "gurobi"] = "highs",
) -> Placement:
    """The optimum of the whole horizon by MILP, or a bound on it within the time limit."""
    sequence = seen.sequence

    def cost_s(placements: list[Placement]) -> float:
        return sum(period.total_s for period in costs(sequence, placements))

    first = min(_starts(sequence, context), key=cost_s)
    context.report(stacked(first))
    milp = build_horizon(sequence, formulation)
    unit = milp.seconds_per_unit
    result = solve_milp(
        milp,
        backend,
        SolveOptions(
            time_limit_s=max(0.0, context.deadline - time.monotonic()),
            threads=context.threads,
            start=Start.of(milp, stacked(first)),
            log_file=context.log_file,
            on_bound=lambda bound: context.report(None, bound * unit),
        ),
    )
    context.record(raw_status=result.raw_status, columns=milp.n_columns, rows=milp.rows.shape[0])
    optimal = result.termination == "optimal"
    best = first
    if result.values is not None:
        found = unstacked(milp.placement(result.values), seen.n_periods)
        best = found if optimal else min(first, found, key=cost_s)  # the backend may not come to its start
    context.report(stacked(best), None if result.bound is None else result.bound * unit, optimal=optimal)
    return stacked(best)


@policy("per-period", sees="future", bounds=True)
def per_period(seen: Observation, context: SolveContext) -> Placement:
    """Each period's optimum by MILP as if moving were free: a bound that long horizons can afford."""
    placements, bound_s = [], 0.0
    for t, (instance, tokens) in enumerate(zip(seen.instances, seen.tokens, strict=True)):
        model = build_milp(instance)
        share_s = max(0.0, context.deadline - time.monotonic()) / (seen.n_periods - t)
        result = solve_milp(model, options=SolveOptions(time_limit_s=share_s, threads=context.threads))
        if result.values is None or result.bound is None:
            raise NoSolutionError(f"period {t} ended with {result.raw_status!r}")
        placements.append(model.placement(result.values))
        bound_s += tokens * result.bound * model.seconds_per_unit
    context.report(None, bound_s)
    return stacked(placements)


@policy("hindsight", sees="future")
def hindsight(seen: Observation, context: SolveContext, *, solver: str = "slim-sweep") -> Placement:
    """One placement for all periods, planned for their sum: what regret bounds of learners compare with."""
    whole = np.max([instance.capacities_bytes for instance in seen.instances], axis=0)
    fixed = plan(solver, pooled(seen.instances, seen.tokens, whole), context)
    return stacked([_where_it_fits(instance, fixed) for instance in seen.instances])


def _where_it_fits(instance: Instance, placement: Placement) -> Placement:
    fits = placement.used_bytes(instance) <= instance.capacities_bytes
    return Placement(placement.holds & fits[:, None])


def _starts(sequence: Sequence, context: SolveContext) -> list[list[Placement]]:
    """Nothing at all, and what ``pay-off`` would do with more and less patience."""
    starts = [[Placement.empty(instance) for instance in sequence.periods]]
    for lookahead in LOOKAHEADS:
        before, placements = Placement.empty(sequence.periods[0]), []
        for instance, tokens in zip(sequence.periods, sequence.tokens.tolist(), strict=True):
            held = still_held(instance.capacities_bytes, before.holds)
            prices_s = fetch_prices_s(
                held, instance.expert_bytes, sequence.cloud_s_per_byte, sequence.neighbour_s_per_byte
            )
            target = plan("slim-sweep", instance, context)
            before = best_moves(
                instance, held, [target], prices_s, max(lookahead * tokens, 1e-300), context.expired
            )
            placements.append(before)
        starts.append(placements)
    return starts
