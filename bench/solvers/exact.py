"""``exact``: prices, a tree or a MILP to finish, and large neighbourhoods: the default reference."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.plugin import Parameters, solver
from slimbench.formulations.backends import SolveOptions, Start, load_backend, solve_milp
from slimbench.formulations.heuristics.primal_dual import BracketSearch
from slimbench.formulations.lagrangian.branch_and_bound import Progress, branch_and_bound
from slimbench.formulations.lagrangian.cut_milp import priced_milp
from slimbench.formulations.lagrangian.reduced_cost_fixing import fixed_by_prices
from slimbench.formulations.lagrangian.rewards import servers_share_groups
from slimbench.formulations.lagrangian.subgradient import PricedBound, PricedCoupling
from slimbench.instances import Instance, Placement
from slimbench.instances.problem.arrays import FloatArray

TRIAL_NODES, TRIAL_S = 48, 4.0  # what a tree gets at least to show whether it is promising
PROGRESS = 0.1  # share of the gap that some growth of the tree has to close to be promising
NEAR_TURN_S = 0.1  # of neighbourhoods at first
TREE_TURN_S = 0.5  # of the tree at first
MIN_LAYERS = 3  # to shuffle: pair moves alone see to fewer
IDLE_SHAKES = 50  # neighbourhoods without a better placement before a MILP
ROUNDING = 1e-9  # relative
SHAKING_SHARE = 0.2  # at most, of the time left


def _load_library(_: Parameters) -> None:
    """Load HiGHS in the run's own process; the kernels were warm before the fork."""
    load_backend("highs")


@solver("exact", exact=True, library=lambda _: "prices+highspy", compiled=True, prepare=_load_library)
def exact(
    instance: Instance, context: SolveContext, *, iterations: int = 2000, first_rounding: int = 100
) -> Placement:
    """The optimum, or as tight a bracket of it as the time allows: the default reference.

    Prices bound the saving, and placements come from what servers choose under them. A tree of further
    prices finishes, or a MILP in which the prices fix and cut what they can.
    """
    search = BracketSearch(instance, exact_experts=16, expired=context.expired, report=context.report)
    search.fill()
    priced, root = search.descend(iterations, first_rounding)
    if root is not None and not search.proven and not context.expired():
        _finish(search, priced, root, context)
    context.record(iterations=search.iterations)
    context.report(search.placement, search.bound_s, optimal=search.proven)
    return search.placement


def _finish(search: BracketSearch, priced: PricedCoupling, root: PricedBound, context: SolveContext) -> None:
    """Close the gap that prices leave by a tree, where that gets somewhere, or by a MILP.

    Single experts (K = 1, ``serial``) make a tight linear relaxation, so a MILP. Groups that servers share
    (``parallel``) make one that the blocks' rows close well, so a MILP once the tree gets nowhere. Where
    groups are served whole in many layers neither closes a wide gap: neighbourhoods use the time better.
    """
    single_experts = search.instance.dispatch == "serial" or search.instance.max_group_size <= 1
    if not single_experts and _can_force(priced):
        shuffles = search.instance.n_layers >= MIN_LAYERS
        persist = shuffles and not servers_share_groups(search.instance)
        tree = branch_and_bound(priced, root, search.wanted_s)
        promising = _grow(search, tree, context, TRIAL_S, TRIAL_NODES)
        near = search.neighbours(context.rng) if shuffles else iter(())
        near_turn_s, tree_turn_s = NEAR_TURN_S, TREE_TURN_S
        while (promising or persist) and not (search.proven or search.expired()):
            before_s = search.saving_s
            search.look_around(near, seconds=near_turn_s)
            near_turn_s *= 2 if search.saving_s > before_s or not promising else 1
            promising = _grow(search, tree, context, tree_turn_s)
            tree_turn_s *= 2 if promising else 1
    if not (search.proven or search.expired()):
        _finish_by_milp(search, priced, root, context)


def _can_force(priced: PricedCoupling) -> bool:
    """Whether all blocks are enumerated, so that experts can be forced and rows of blocks are sharp."""
    return all(block.can_force for block in priced.blocks)


def _grow(
    search: BracketSearch,
    tree: Iterator[Progress],
    context: SolveContext,
    seconds: float,
    nodes: int = 0,
) -> bool:
    """Grow the tree for a time, and to some nodes; whether that has closed a good part of the gap."""
    before, stop = search.bound_s, time.monotonic() + seconds
    for progress in tree:
        for placement in progress.placements:
            search.offer(placement)
        search.lower(max(progress.bound_s, search.wanted_s()))
        context.record(nodes=progress.nodes)
        if search.expired() or (time.monotonic() >= stop and progress.nodes >= nodes):
            break
    else:
        search.settle()
    return before - search.bound_s > PROGRESS * (before - search.wanted_s())


def _finish_by_milp(
    search: BracketSearch, priced: PricedCoupling, root: PricedBound, context: SolveContext
) -> None:
    """Neighbourhoods while they help, then the model without what prices fix, for the rest of the time."""
    shuffles = servers_share_groups(search.instance) and search.instance.n_layers >= MIN_LAYERS
    if shuffles or not search.moves.narrow:
        near = search.neighbours(context.rng)
        search.look_around(near, seconds=SHAKING_SHARE * context.time_left_s, patience=IDLE_SHAKES)
    # Fixed for placements as good as the incumbent, not better ones, so that it can start the MILP.
    as_good_s = search.saving_s * (1 - ROUNDING)
    fixed = fixed_by_prices(priced, root.prices, as_good_s)
    model = priced_milp(search.instance, priced, root.prices, fixed, cuts=_can_force(priced))

    def on_bound(bound: float) -> None:
        if math.isfinite(bound):
            search.lower(max(bound * model.seconds_per_unit, search.saving_s))

    def on_incumbent(values: FloatArray, bound: float) -> None:
        search.offer(model.placement(values))
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
