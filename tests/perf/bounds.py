"""``bounds``: how tight a bound without any MILP solver is on a million activations, and how soon."""

from __future__ import annotations

import sys
from typing import Final

from perf.measured_run import measure
from perf.table import Cell, Table

from slimbench.instances import Instance
from slimbench.instances.generators.generate import make_instance, read_recipe

LIMIT_S: Final = 600.0
CASES: Final = (  # dispatch, model, users: about 10^6 activations each
    ("single", "mixtral-8x7b", 1150),
    ("parallel", "mixtral-8x7b", 1150),
    ("serial", "mixtral-8x7b", 1150),
)

CAPTION: Final = (
    f"`bounds[gap=0.02]`, at most {LIMIT_S:g} s, one thread, one run each: 20 servers, each with room for a "
    "fifth of all experts; every device holds its user's most used expert of each layer. Gap: bound / saving "
    "of the best placement - 1."
)


def bounds() -> Table:
    """Measure every case."""
    rows: list[dict[str, Cell]] = []
    for dispatch, model, users in CASES:
        instance = _instance(dispatch, model, users)
        run = measure(instance, "bounds[gap=0.02]", LIMIT_S)
        rows.append(
            {
                "model": model,
                "dispatch": dispatch,
                "activations": instance.n_activations,
                "saving_s": run.saving_s,
                "bound_s": run.bound_s,
                "gap_percent": run.gap_percent,
                "seconds": run.seconds,
            }
        )
        print(rows[-1], file=sys.stderr, flush=True)
    return Table(CAPTION, rows)


def _instance(dispatch: str, model: str, users: int) -> Instance:
    recipe = {
        "name": f"{model}-{users}-{dispatch}",
        "dispatch": dispatch,
        "seed": 1,
        "models": [model],
        "network": {"servers": 20, "users": users, "area_side_m": 600.0, "capacity_share": 0.2},
        "routing": {"kind": "zipf", "zipf_exponent": 1.0, "user_taste": 0.5, "device_experts": 1},
    }
    return make_instance(read_recipe(recipe))[0]
