"""``slim-greedy``: SlimCaching's greedy for K = 1."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.plugin import Guarantee, Parameters, solver
from slimbench.formulations.heuristics.lazy_greedy import LazyGreedy
from slimbench.formulations.terms.and_terms import and_terms, marginal_savings
from slimbench.formulations.terms.facility_location import facility_location, is_facility_location
from slimbench.instances import Instance, Placement, evaluate
from slimbench.instances.problem.arrays import BoolArray, FloatArray

Element = tuple[int, int]  # (server, expert)
Run = Callable[[FloatArray, tuple[Element, ...], Callable[[], bool]], BoolArray]
"""One greedy run: (price of each expert, seed, whether to stop) -> what servers hold."""


def _greedy_ratio(instance: Instance, parameters: Parameters, figures: Mapping[str, Any]) -> float | None:
    if not is_facility_location(instance) or not figures.get("complete"):
        return None
    equal_sizes = len({model.expert_bytes for model in instance.models}) == 1
    if instance.n_servers == 1:
        factor = 1 - 1 / math.e
        return factor if equal_sizes or parameters["enumerate"] >= 3 else factor / 2
    return 1 / 2 if equal_sizes else None


@solver(
    "slim-greedy",
    compiled=True,
    guarantee=Guarantee(
        claim="1 - 1/e or (1 - 1/e)/2 on one server, 1/2 on several",
        conditions="K = 1 or serial; several servers: experts of equal size; "
        "one server and sizes that differ: 1 - 1/e with enumerate >= 3, else (1 - 1/e)/2",
        source="Nemhauser, Wolsey, Fisher 1978; Fisher, Nemhauser, Wolsey 1978 (matroid); "
        "Leskovec et al. 2007 (knapsack); Sviridenko 2004 (enumeration)",
        ratio=_greedy_ratio,
    ),
)
def slim_greedy(instance: Instance, context: SolveContext, *, enumerate: int = 0) -> Placement:
    """Lazy greedy by saving per byte and by saving, the better; seeded with all sets of d experts."""
    best, best_saving = Placement.empty(instance), 0.0
    complete = True
    run = _greedy_run(instance)
    ones = np.ones(instance.n_experts)
    per_byte = instance.expert_bytes / instance.expert_bytes.min()
    orders = [ones] if np.array_equal(per_byte, ones) else [per_byte, ones]
    for seed in _seeds(instance, enumerate):
        for prices in orders:
            if context.expired():
                complete = False
                break
            placement = Placement(run(prices, seed, context.expired))
            saving = evaluate(instance, placement).saving_s
            if saving > best_saving:
                best, best_saving = placement, saving
                context.report(best)
    context.record(complete=complete and not context.expired())
    return best


def _greedy_run(instance: Instance) -> Run:
    """Lazy where the saving is submodular, else with the layer that changed refreshed at once."""
    if not is_facility_location(instance):
        return partial(_eager_greedy, instance)
    servers = np.arange(instance.n_servers)
    return LazyGreedy(
        facility_location(instance), instance.expert_bytes, instance.capacities_bytes, servers
    ).run


def _seeds(instance: Instance, depth: int) -> Iterable[tuple[Element, ...]]:
    """Every set of at most ``depth`` elements; capacity is checked where they are placed."""
    named = np.unique(instance.group_experts).tolist()
    elements = list(itertools.product(range(instance.n_servers), named))
    return itertools.chain.from_iterable(itertools.combinations(elements, d) for d in range(depth + 1))


def _eager_greedy(
    instance: Instance, prices: FloatArray, seed: tuple[Element, ...], expired: Callable[[], bool]
) -> BoolArray:
    """Add the best element that fits until none saves anything; ties by (server, model, layer, index).

    Marginals may grow here, so that an old one bounds nothing: those of the layer that changed are
    refreshed after every pick.
    """
    holds = np.zeros((instance.n_servers, instance.n_experts), np.bool_)
    room = instance.capacities_bytes.copy()
    for n, e in seed:
        holds[n, e] = True
        room[n] -= instance.expert_bytes[e]
    if np.any(room < 0):
        return np.zeros_like(holds)
    keys = np.zeros(holds.shape)  # marginal saving per price
    queue: list[tuple[float, int, int]] = []

    def refresh(n: int, layer: int) -> None:
        members = slice(instance.layer_starts[layer], instance.layer_starts[layer + 1])
        marginal = marginal_savings(and_terms(instance, holds, n, layer), holds[n])
        keys[n, members] = marginal[members] / prices[members]
        for e in range(members.start, members.stop):
            if keys[n, e] > 0 and not holds[n, e]:
                heapq.heappush(queue, (-keys[n, e], n, e))

    for n, layer in np.ndindex(instance.n_servers, instance.n_layers):
        refresh(n, layer)
    while queue and not expired():
        minus_key, n, e = heapq.heappop(queue)
        if holds[n, e] or instance.expert_bytes[e] > room[n] or keys[n, e] != -minus_key:
            continue
        holds[n, e] = True
        room[n] -= instance.expert_bytes[e]
        for server in range(instance.n_servers):
            refresh(server, int(instance.expert_layers[e]))
    return holds
