"""``exact``: Lagrangian bounds, a tree or a MILP to finish, and large neighbourhoods."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.plugin import Parameters, solver
from slimbench.formulations.backends import SolveOptions, Start, load_backend, solve_milp
from slimbench.formulations.heuristics.primal_dual import PrimalDualSearch
from slimbench.formulations.lagrangian.branch_and_bound import Progress, branch_and_bound
from slimbench.formulations.lagrangian.cut_milp import cut_milp
from slimbench.formulations.lagrangian.reduced_cost_fixing import reduced_cost_fixing
from slimbench.formulations.lagrangian.subgradient import DualBound, LagrangianDual
from slimbench.formulations.terms.and_terms import servers_share_groups
from slimbench.formulations.terms.facility_location import is_facility_location
from slimbench.formulations.tolerances import EXACT_EXPERTS, JUST_BELOW
from slimbench.instances import Instance, Placement
from slimbench.instances.problem.arrays import FloatArray

TRIAL_NODES, TRIAL_S = 48, 4.0  # what a tree gets at least to show whether it is promising
PROGRESS = 0.1  # share of the gap that some growth of the tree has to close to be promising
NEAR_TURN_S = 0.1  # of neighbourhoods at first
TREE_TURN_S = 0.5  # of the tree at first
MIN_LAYERS = 3  # to shuffle: pair moves alone see to fewer
IDLE_SHAKES = 50  # neighbourhoods without a better placement before a MILP
SHAKING_SHARE = 0.2  # at most, of the time left


def _load_library(_: Parameters) -> None:
    """Load HiGHS in the run's own process; the kernels were warm before the fork."""
    load_backend("highs")


@solver("exact", exact=True, library=lambda _: "prices+highspy", compiled=True, prepare=_load_library)
def exact(
    instance: Instance, context: SolveContext, *, iterations: int = 2000, first_rounding: int = 100
) -> Placement:
    """The optimum, or as tight bounds on it as the time allows: the default reference.

    Multipliers bound the saving, and placements come from what servers choose under them. Branch and bound
    finishes, or a MILP in which the multipliers fix and cut what they can.
    """
    search = PrimalDualSearch(instance, EXACT_EXPERTS, context.expired, context.report)
    search.fill()
    dual, root = search.run_subgradient(iterations, first_rounding)
    if root is not None and not search.proven and not context.expired():
        _finish(search, dual, root, context)
    context.record(iterations=search.iterations)
    context.report(search.placement, search.bound_s, optimal=search.proven)
    return search.placement


def _finish(search: PrimalDualSearch, dual: LagrangianDual, root: DualBound, context: SolveContext) -> None:
    """Close the gap that multipliers leave by a tree, where that gets somewhere, or by a MILP.

    Single experts (K = 1, ``serial``) make a tight linear relaxation, so a MILP. Groups that servers share
    (``parallel``) make one that the subproblems' rows close well, so a MILP once the tree gets nowhere. Where
    groups are served whole in many layers neither closes a wide gap: neighbourhoods use the time better.
    """
    if dual.can_force and not is_facility_location(search.instance):
        shuffles = search.instance.n_layers >= MIN_LAYERS
        persist = shuffles and not servers_share_groups(search.instance)
        tree = branch_and_bound(dual, root, search.cutoff_s)
        promising = _grow(search, tree, context, TRIAL_S, TRIAL_NODES)
        near = search.neighbours(context.rng) if shuffles else iter(())
        near_turn_s, tree_turn_s = NEAR_TURN_S, TREE_TURN_S
        while (promising or persist) and not (search.proven or search.expired()):
            before_s = search.saving_s
            search.run_neighbourhoods(near, seconds=near_turn_s)
            near_turn_s *= 2 if search.saving_s > before_s or not promising else 1
            promising = _grow(search, tree, context, tree_turn_s)
            tree_turn_s *= 2 if promising else 1
    if not (search.proven or search.expired()):
        _finish_by_milp(search, dual, root, context)


def _grow(
    search: PrimalDualSearch,
    tree: Iterator[Progress],
    context: SolveContext,
    seconds: float,
    nodes: int = 0,
) -> bool:
    """Grow the tree for a time, and to some nodes; whether that has closed a good part of the gap."""
    before, stop = search.bound_s, time.monotonic() + seconds
    for progress in tree:
        for placement in progress.placements:
            search.update_incumbent(placement)
        search.update_bound(max(progress.bound_s, search.cutoff_s()))
        context.record(nodes=progress.nodes)
        if search.expired() or (time.monotonic() >= stop and progress.nodes >= nodes):
            break
    else:
        search.prove_optimal()
    return before - search.bound_s > PROGRESS * (before - search.cutoff_s())


def _finish_by_milp(
    search: PrimalDualSearch, dual: LagrangianDual, root: DualBound, context: SolveContext
) -> None:
    """Neighbourhoods while they help, then the model without what is fixed, for the rest of the time."""
    shuffles = servers_share_groups(search.instance) and search.instance.n_layers >= MIN_LAYERS
    if shuffles or not search.moves.narrow:
        near = search.neighbours(context.rng)
        search.run_neighbourhoods(near, seconds=SHAKING_SHARE * context.time_left_s, patience=IDLE_SHAKES)
    # Fixed for placements as good as the incumbent, not better ones, so that it can start the MILP.
    as_good_s = search.saving_s * (1 - JUST_BELOW)
    fixed = reduced_cost_fixing(dual, root.multipliers, as_good_s)
    model = cut_milp(search.instance, dual, root.multipliers, fixed, cuts=dual.can_force)

    def on_bound(bound: float) -> None:
        if math.isfinite(bound):
            search.update_bound(max(bound * model.seconds_per_unit, search.saving_s))

    def on_incumbent(values: FloatArray, bound: float) -> None:
        search.update_incumbent(model.placement(values))
        on_bound(bound)

    options = SolveOptions(
        time_limit_s=context.time_left_s,
        threads=context.threads,
        start=Start.of(model, search.placement),
        log_file=context.log_file,
        on_incumbent=on_incumbent,
        on_bound=on_bound,
    )
    result = solve_milp(model, "highs", options)
    if result.values is not None:
        on_incumbent(result.values, math.inf)
    if result.bound is not None:
        on_bound(result.bound)
    context.record(
        raw_status=result.raw_status, columns=model.n_columns, rows=model.rows.shape[0], **result.figures
    )
    if result.root_bound is not None:
        context.record(root_bound_s=result.root_bound * model.seconds_per_unit)
