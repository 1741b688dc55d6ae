"""``pay-off`` and ``replan-budget``: fetch what pays for itself, and that within a budget of bytes."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from slimbench.bench import Observation, SolveContext, policy
from slimbench.bench.plugins.policy_planner import plan
from slimbench.formulations.heuristics.reconfiguration import best_moves, moves_within
from slimbench.instances import Placement

BYTES: Final = 1e6  # of a megabyte

_Periods = Annotated[float, msgspec.Meta(gt=0)]
_Megabytes = Annotated[int, msgspec.Meta(ge=0)]


@policy("pay-off", sees="present")
def pay_off(
    seen: Observation, context: SolveContext, *, lookahead: _Periods = 3.0, solver: str = "slim-sweep"
) -> Placement:
    """Fetches what pays for itself within ``lookahead`` periods like the present one."""
    target = plan(solver, seen.present, context)
    tokens = lookahead * seen.tokens[seen.period]
    if not tokens:
        return seen.nothing()
    return best_moves(seen.present, seen.held.holds, [target], seen.fetch_s, tokens, context.expired)


@policy("replan-budget", sees="present")
def replan_budget(
    seen: Observation,
    context: SolveContext,
    *,
    budget_mb: _Megabytes = 1000,
    lookahead: _Periods = 3.0,
    solver: str = "slim-sweep",
) -> Placement:
    """As ``pay-off``, but fetches at most ``budget_mb`` megabytes (of 10^6 bytes) in a period."""
    target = plan(solver, seen.present, context)
    tokens = lookahead * seen.tokens[seen.period]
    if not tokens:
        return seen.nothing()
    return moves_within(
        seen.present, seen.held.holds, [target], seen.fetch_s, tokens, BYTES * budget_mb, context.expired
    )
