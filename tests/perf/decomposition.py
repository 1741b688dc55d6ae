"""``decomposition``: ``slim-maxconv`` beside ``slim-dp`` and a textbook knapsack, at paper scale."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
from perf.peers.plain_knapsack import fill_plainly
from perf.table import Cell, Table, median_s

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.plugin import parse_call
from slimbench.bench.plugins.registry import find_solvers
from slimbench.bench.plugins.warm_up import warm_up
from slimbench.instances import Instance, Placement, evaluate
from slimbench.instances.generators.generate import make_instance, read_recipe

SWITCH: Final = "switch-base-128"
MIXTRAL: Final = "mixtral-8x7b"
LLAVA: Final = "moe-llava-phi2-2.7b-4e"
CASES: Final = (  # models, users, share of all bytes that a server holds
    ((SWITCH,), 40, 0.25),
    ((MIXTRAL,), 40, 0.25),
    ((LLAVA,), 40, 0.25),
    ((SWITCH, MIXTRAL, LLAVA), 40, 0.1),
    ((SWITCH, MIXTRAL, LLAVA), 40, 0.25),
)
RUNS: Final = 5

CAPTION: Final = (
    "Median wall seconds of five runs, one thread: 12 servers, 40 users, dispatch `single`. Plain: the same "
    "decomposition, each server solved by a numpy row an item over all capacities in units of the greatest "
    "common divisor of the sizes (1 MiB for the three models together, one expert for a model alone); items "
    "are experts where groups have one (Switch), else all sets of a layer, of which one is taken. It gets "
    "SlimBench's terms of each server, and its seconds include making them. A ratio is the plain seconds "
    "over the solver's; a quality its saving over the plain one's."
)


def decomposition(cases: tuple[tuple[tuple[str, ...], int, float], ...] = CASES) -> Table:
    """Measure every case."""
    methods: dict[str, Callable[[Instance], Placement]] = {
        name: _solver(name) for name in ("slim-maxconv", "slim-dp")
    } | {"plain": fill_plainly}
    rows: list[dict[str, Cell]] = []
    for models, users, share in cases:
        instance = _instance(models, users, share)
        seconds, savings = {}, {}
        for name, method in methods.items():
            seconds[name], placement = median_s(method, partial(replace, instance), RUNS)
            savings[name] = evaluate(instance, placement).saving_s
        row: dict[str, Cell] = {
            "models": ", ".join(models),
            "activations": instance.n_activations,
            "capacity_share": share,
            **{f"{name}_s": value for name, value in seconds.items()},
        }
        for name in ("slim-maxconv", "slim-dp"):
            row[f"{name}_ratio"] = seconds["plain"] / seconds[name]
            row[f"{name}_quality"] = f"{savings[name] / savings['plain']:.6f}"
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
    return Table(CAPTION, rows)


def _solver(name: str) -> Callable[[Instance], Placement]:
    """A solver as a function of the instance alone, warmed up."""
    call = parse_call(name, find_solvers())
    warm_up(call)

    def solve(instance: Instance) -> Placement:
        return call.solver(instance, SolveContext(np.random.default_rng(0)), **call.parameters)

    return solve


def _instance(models: tuple[str, ...], users: int, share: float) -> Instance:
    recipe = {
        "name": "+".join(models),
        "dispatch": "single",
        "models": list(models),
        "network": {"servers": 12, "users": users, "area_side_m": 600.0, "capacity_share": share},
        "routing": {"kind": "zipf", "tokens": 128},
    }
    return make_instance(read_recipe(recipe))[0]
