"""``building``: from an instance to a model object, beside PuLP and linopy building the very same model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from perf.peers import linopy_model, pulp_model
from perf.table import Cell, Table, median_s

from slimbench.formulations.milp.build import build_milp
from slimbench.instances import Instance
from slimbench.instances.generators.generate import make_instance, read_recipe

CASES: Final = (  # model, users: about 10^4, 10^5, 10^6 activations of two experts, and of four
    ("mixtral-8x7b", 12),
    ("mixtral-8x7b", 120),
    ("mixtral-8x7b", 1200),
    ("qwen1.5-moe-a2.7b", 4),
    ("qwen1.5-moe-a2.7b", 33),
    ("qwen1.5-moe-a2.7b", 330),
)
REDUCTIONS: Final = frozenset({"merge", "merge-users", "slow-servers", "unnamed-experts"})
PEER_NONZEROS: Final = 5 * 10**6  # a peer needs some hundred bytes a nonzero
RUNS: Final = 5
SLOW_S: Final = 10.0  # from here on three runs
SLOW_RUNS: Final = 3

CAPTION: Final = (
    "Median wall seconds from an instance to a model object: form `cover`, dispatch `single`, 20 servers. "
    "All build the same columns, rows and nonzeros, with the reductions "
    f"{', '.join(sorted(REDUCTIONS))}; `all_reductions_s` is SlimBench with every reduction. The peers start "
    "from SlimBench's own merged weights, so their seconds include its preparation of the activations; "
    "linopy's model is measured without the matrix that it makes when it solves. A ratio is a peer's seconds "
    "over SlimBench's."
)

Build = Callable[[Instance, frozenset[str]], Any]
Size = Callable[[Any], tuple[int, int, int]]
PEERS: Final[dict[str, tuple[Build, Size]]] = {
    "pulp": (pulp_model.build, pulp_model.size),
    "linopy": (linopy_model.build, linopy_model.size),
}


def building() -> Table:
    """Measure growing numbers of activations.

    Raises
    ------
    ValueError
        If a peer's model has not as many columns, rows and nonzeros as ours.
    """
    return Table(CAPTION, [_row(model, _instance(model, users)) for model, users in CASES])


def _instance(model: str, users: int) -> Instance:
    recipe = {
        "name": f"{model}-{users}",
        "dispatch": "single",
        "models": [model],
        "network": {"servers": 20, "users": users, "area_side_m": 1000.0},
        "routing": {"kind": "zipf", "tokens": 128},
    }
    return make_instance(read_recipe(recipe))[0]


def _row(model: str, instance: Instance) -> dict[str, Cell]:
    def nothing_derived() -> Instance:
        return replace(instance)

    def measured_s(build: Callable[[Instance], Any]) -> tuple[float, Any]:
        first_s, _ = median_s(build, nothing_derived, 1)
        return median_s(build, nothing_derived, SLOW_RUNS if first_s > SLOW_S else RUNS)

    ours_s, milp = measured_s(lambda fresh: build_milp(fresh, "cover", REDUCTIONS))
    ours = (milp.n_columns, milp.rows.shape[0], milp.rows.nnz)
    all_s, _ = measured_s(build_milp)
    row: dict[str, Cell] = {
        "model": model,
        "activations": instance.n_activations,
        **dict(zip(("columns", "rows", "nonzeros"), ours, strict=True)),
        "all_reductions_s": all_s,
        "slimbench_s": ours_s,
    }
    for name, (build, size) in PEERS.items():
        seconds = None
        if milp.rows.nnz <= PEER_NONZEROS:
            seconds, made = measured_s(_with_reductions(build))
            if (theirs := size(made)) != ours:
                raise ValueError(f"{name} built {theirs} columns, rows and nonzeros, SlimBench {ours}")
        row |= {f"{name}_s": seconds, f"{name}_ratio": seconds and seconds / ours_s}
    return row


def _with_reductions(build: Build) -> Callable[[Instance], Any]:
    return lambda instance: build(instance, REDUCTIONS)
