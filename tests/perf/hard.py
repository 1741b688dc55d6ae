"""``hard``: what 40 s give on the instances that branch and bound does not finish."""

from __future__ import annotations

import sys
from typing import Final

from perf.measured_run import measure
from perf.table import Cell, Table

from slimbench.instances import read_instance
from slimbench.instances.zoo import SHIPPED_DATA

LIMIT_S: Final = 40.0
METHODS: Final = {"exact": "exact", "lagrangian": "lagrangian", "cover": "milp"}

CAPTION: Final = (
    f"Library `hard`, {LIMIT_S:g} s, one thread, one run each: best saving (s per token), bound, "
    "gap (bound / saving - 1), and wall seconds of the solver alone. `cover` is `milp` as shipped (HiGHS)."
)


def hard() -> Table:
    """Measure every instance of the library with every method."""
    rows: list[dict[str, Cell]] = []
    for path in sorted((SHIPPED_DATA / "hard").glob("*.json.gz")):
        instance = read_instance(path)
        row: dict[str, Cell] = {"instance": instance.name, "activations": instance.n_activations}
        for name, solver in METHODS.items():
            run = measure(instance, solver, LIMIT_S)
            row |= {
                f"{name}_saving_s": f"{run.saving_s:.9g}" if run.saving_s is not None else None,
                f"{name}_bound_s": f"{run.bound_s:.9g}" if run.bound_s is not None else None,
                f"{name}_gap_percent": run.gap_percent,
                f"{name}_s": run.seconds,
            }
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
    return Table(CAPTION, rows)
