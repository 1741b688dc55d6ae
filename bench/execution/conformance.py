"""Conformance kit: check that a solver keeps the rules for plugins."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from slimbench.bench.execution.run_once import run_once
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.plugins.plugin import Call
from slimbench.bench.plugins.warm_up import tiny_instance
from slimbench.formulations.brute_force import best_placement
from slimbench.formulations.tolerances import exceeds
from slimbench.instances import DISPATCHES, Instance, evaluate
from slimbench.instances.generators.generate import make_instance, read_recipe

TIME_LIMIT_S: Final = 20.0
DEADLINE_S: Final = 2.0
MEMORY_LIMIT_MB: Final = 4096.0
ENUMERATION_LIMIT: Final = 200_000


@dataclass(frozen=True)
class Check:
    """One demand on a plugin, and how it fared.

    Attributes
    ----------
    failures : tuple of str
    not_shown : str
        Why no run could show whether the demand is met; empty where one did.
    """

    demand: str
    failures: tuple[str, ...]
    not_shown: str = ""


def check_solver(call: Call, plugin_files: Sequence[Path]) -> list[Check]:
    """Run a plugin on a spread of tiny instances and one large one, isolated as in a suite."""
    kit, large_instance = list(_instances()), _large_instance()
    with tempfile.TemporaryDirectory() as folder, Workers() as workers:

        def row_of(instance: Instance, time_limit_s: float) -> dict[str, Any]:
            return run_once(
                workers,
                Path(folder),
                instance,
                call,
                time_limit_s=time_limit_s,
                memory_limit_mb=MEMORY_LIMIT_MB,
                seed=1,
                plugin_files=[path.resolve() for path in plugin_files],
            )[0]

        rows = {instance.name: row_of(instance, TIME_LIMIT_S) for instance in kit}
        again = {instance.name: row_of(instance, TIME_LIMIT_S) for instance in kit}
        large = row_of(large_instance, DEADLINE_S)
    optima = _optima()
    declined = large["status"] in {"time_limit", "error", "no_solution"}
    placed = rows if declined else rows | {large_instance.name: large}
    end = f"{large['status']}: {large['message']}"
    late, in_time = large["status"] == "time_limit", large["status"] == "ok"
    return [
        Check("returns a feasible placement", _collect(placed, lambda row, _: _not_ok(row), optima)),
        Check(
            "repeats itself under a seed",
            tuple(
                f"{name}: two runs with one seed placed differently"
                for name, row in rows.items()
                if row["placement"] != again[name]["placement"]
            ),
            "" if any(row["placement"] is not None for row in rows.values()) else "no run gave a placement",
        ),
        Check(
            f"honours its deadline ({DEADLINE_S:g} s on {large_instance.n_activations} activations)",
            (end,) if late else (),
            "" if late or in_time else end,
        ),
        Check("keeps its guarantee", _collect(rows, _below_guarantee, optima), _no_guarantee(call, rows)),
        Check(
            "claims no bound below the optimum",
            _collect(rows, _bound_too_low, optima),
            ""
            if any(row["bound_saving_s"] is not None for row in rows.values())
            else "no run claimed a bound",
        ),
    ]


def _no_guarantee(call: Call, rows: Mapping[str, dict[str, Any]]) -> str:
    """Why no run shows whether a declared guarantee is kept; empty where one does."""
    if call.solver.guarantee is None:
        return "none is declared"
    held = any(row["saving_s"] is not None and row["guarantee_ratio"] is not None for row in rows.values())
    return "" if held else "no run gave a placement where its conditions hold"


def _instances() -> Iterator[Instance]:
    """Every dispatch; capacity for nothing, some and all; one and two models; ties; no demand at all."""
    for dispatch in DISPATCHES:
        tiny = dataclasses.replace(tiny_instance(dispatch), name=f"tiny-{dispatch}")
        yield tiny
        yield dataclasses.replace(tiny, name=f"no-room-{dispatch}", capacities_bytes=np.zeros(2, np.int64))
        yield dataclasses.replace(tiny, name=f"all-fits-{dispatch}", capacities_bytes=np.full(2, 6))
        same = np.repeat(tiny.edge_latency_s[:, :1], 2, axis=1)
        yield dataclasses.replace(tiny, name=f"identical-servers-{dispatch}", edge_latency_s=same)
        far = np.full_like(tiny.edge_latency_s, np.inf)
        yield dataclasses.replace(tiny, name=f"out-of-reach-{dispatch}", edge_latency_s=far)
        yield dataclasses.replace(tiny, name=f"no-demand-{dispatch}", rates=np.zeros(tiny.n_activations))
        for seed, models in enumerate(
            (["moe-llava-phi2-2.7b-4e"], ["switch-base-8", "moe-llava-qwen-1.8b-4e"])
        ):
            recipe = {
                "name": f"radio-{seed}-{dispatch}",
                "dispatch": dispatch,
                "seed": seed,
                "models": models,
                "layers": 1,
                "network": {"servers": 2, "users": 4, "capacity_share": 0.45},
                "routing": {"kind": "zipf", "tokens": 64, "device_experts": seed},
            }
            yield make_instance(read_recipe(recipe))[0]


@cache
def _optima() -> dict[str, float]:
    """Best saving on each of ``_instances``, by enumeration."""
    return {i.name: evaluate(i, best_placement(i, ENUMERATION_LIMIT)).saving_s for i in _instances()}


def _large_instance() -> Instance:
    recipe = {
        "name": "large",
        "dispatch": "single",
        "models": ["mixtral-8x7b"],
        "layers": 16,
        "network": {"servers": 6, "users": 20},
    }
    return make_instance(read_recipe(recipe))[0]


def _collect(rows: Mapping[str, dict[str, Any]], fault: Any, optima: Mapping[str, float]) -> tuple[str, ...]:
    found = ((name, fault(row, optima.get(name, math.nan))) for name, row in rows.items())
    return tuple(f"{name}: {problem}" for name, problem in found if problem)


def _not_ok(row: Mapping[str, Any]) -> str | None:
    return None if row["status"] == "ok" else f"{row['status']}: {row['message']}"


def _below_guarantee(row: Mapping[str, Any], optimum: float) -> str | None:
    ratio = row["guarantee_ratio"]
    saving, none = row["saving_s"], row["latency_none_s"]
    if saving is None or ratio is None or not exceeds(ratio * optimum, saving, none):
        return None
    return f"saving / optimum is {saving / optimum:.6f}, guaranteed {ratio:.6f}"


def _bound_too_low(row: Mapping[str, Any], optimum: float) -> str | None:
    bound = row["bound_saving_s"]
    if bound is None or not exceeds(optimum, bound, row["latency_none_s"] or 0.0):
        return None
    return f"bound {bound:.9g} s, optimum {optimum:.9g} s"
