"""Tiny instances whose experts are as large as real files, and what a claimed optimum of one must satisfy."""

from __future__ import annotations

import math
from random import Random

import numpy as np
from oracles import brute_force, plain_fits, plain_saving
from samples import build

from slimbench.formulations.backends import MilpResult, SolveOptions, solve_milp
from slimbench.formulations.lagrangian.cut_milp import cut_milp
from slimbench.formulations.lagrangian.relaxation import relaxation
from slimbench.formulations.lagrangian.subgradient import LagrangianDual
from slimbench.formulations.milp.build import FORMULATIONS, applies, build_milp
from slimbench.formulations.milp.model import MilpModel
from slimbench.formulations.status import FREE
from slimbench.instances import DISPATCHES, Dispatch, Instance, Model

AGREEMENT = 1e-6  # relative, docs/MODEL.md
LIMIT_S = 1.0
PRICED = "priced"  # the MILP in which ``exact`` ends
SIZES = [
    352_321_536, 176_160_768, 12_583_552, 17_301_504, 9_437_184, 88_080_384, 22_020_096, 1_835_008,
    66_060_288, 2_147_483_659, 352_321_553, 104_729, 999_983, 4_294_967_311, 3, 7, 1_000_000_007,
]  # fmt: skip
"""Bytes of experts of published models, and primes."""


def odd_instance(rng: Random, dispatch: Dispatch | None = None) -> Instance:
    """One to three models of different sizes, of few enough placements to try them all.

    Sizes are those of files, off by an odd number or not, or one a few bytes above another; a capacity is
    what some experts take, or a byte less.
    """
    first = rng.choice(SIZES) + rng.choice([0, 0, 1, -1, 12_345, 1_672])
    sizes = [max(1, first)]
    for _ in range(rng.choice([0, 1, 1, 1, 2])):
        sizes.append(
            rng.choice([rng.choice(SIZES), sizes[0] + rng.randrange(1, 64), rng.randrange(1, 2**33)])
        )
    few = {1: 8, 2: 5, 3: 3}[len(sizes)]
    models = [
        Model(f"m{m}", rng.choice([1, 1, 2]) if few < 8 else 1, rng.randint(2, few), 2, size)
        for m, size in enumerate(sizes)
    ]
    n_servers, n_users = rng.choice([1, 1, 2]), rng.randint(1, 3)
    if n_servers == 2:
        models = [Model(m.name, 1, min(m.experts_per_layer, 4), 2, m.expert_bytes) for m in models]
    experts = [m.expert_bytes for m in models for _ in range(m.layers * m.experts_per_layer)]
    capacities = [
        max(0, sum(rng.sample(experts, rng.randint(1, len(experts)))) - rng.choice([0, 0, 1, 1000]))
        for _ in range(n_servers)
    ]
    edge = [[[_edge_s(rng)] * len(models) for _ in range(n_servers)] for _ in range(n_users)]
    activations = [
        (u, m, layer, sorted(rng.sample(range(model.experts_per_layer), rng.choice([1, 2, 2]))), rng.random())
        for u in range(n_users)
        for m, model in enumerate(models)
        for layer in range(model.layers)
        for _ in range(rng.randint(1, 6))
    ]
    return build(
        dispatch=dispatch or rng.choice(DISPATCHES),
        capacities=capacities,
        models=models,
        edge=edge,
        cloud=np.full((n_users, len(models)), 0.1),
        activations=activations,
        name="odd-sizes",
    )


def _edge_s(rng: Random) -> float:
    return rng.choice([rng.uniform(0.01, 0.09), rng.uniform(0.01, 0.09), 0.2, math.inf])


def models_of(instance: Instance) -> list[str]:
    """The formulations that apply, and the MILP of ``exact``."""
    return [*(name for name in FORMULATIONS if applies(name, instance)), PRICED]


def model_of(instance: Instance, name: str) -> MilpModel:
    """A model by its name."""
    if name != PRICED:
        return build_milp(instance, name)
    rows = relaxation(instance)
    free = np.full((instance.n_servers, instance.n_experts), FREE)
    return cut_milp(instance, LagrangianDual(instance, rows, 16), rows.first_multipliers, free, cuts=True)


def fault_of(instance: Instance, milp: MilpModel, result: MilpResult, optimum: float) -> str | None:
    """Why a result is not the proof of this optimum that it should be; None where it is."""
    if result.termination != "optimal" or result.values is None or result.bound is None:
        return f"ended with {result.raw_status!r}"
    placement = milp.placement(result.values)
    if not plain_fits(instance, placement):
        return "its placement does not fit"
    saving, bound = plain_saving(instance, placement), result.bound * milp.seconds_per_unit
    for name, value in (("saves", saving), ("claims the bound", bound)):
        if not math.isclose(value, optimum, rel_tol=AGREEMENT, abs_tol=1e-12):
            return f"{name} {value:.9g} s, the optimum is {optimum:.9g} s"
    return None


def solve_all(instance: Instance, backend: str) -> None:
    """Solve every model of an instance with one backend, here.

    Where it takes too long, as CP-SAT does where ``assignment`` has fractional columns, its bound counts.

    Raises
    ------
    AssertionError
        If one does not prove the optimum of brute force, or ends with a bound below it.
    """
    optimum, _ = brute_force(instance)
    for name in models_of(instance):
        milp = model_of(instance, name)
        result = solve_milp(milp, backend, SolveOptions(LIMIT_S))
        finished = result.termination == "optimal"
        fault = fault_of(instance, milp, result, optimum) if finished else bound_fault(milp, result, optimum)
        assert fault is None, f"{backend}, {name}, {instance.dispatch}: {fault}"


def bound_fault(milp: MilpModel, result: MilpResult, optimum: float) -> str | None:
    """Why the bound of an unfinished solve cannot be; None where it can."""
    bound = None if result.bound is None else result.bound * milp.seconds_per_unit
    if bound is not None and bound < optimum * (1 - AGREEMENT) - 1e-12:
        return f"claims the bound {bound:.9g} s, the optimum is {optimum:.9g} s"
    return None
