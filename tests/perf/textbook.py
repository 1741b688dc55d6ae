"""``textbook``: ``exact`` beside the plain textbook model of the same dispatch by CBC and by HiGHS."""

from __future__ import annotations

import math
import sys
from typing import Final

from perf.measured_run import measure
from perf.table import Cell, Table

from slimbench.bench.suites.suite import read_suite
from slimbench.bench.suites.suite_instances import suite_instances

TEXTBOOK: Final = {"single": "destination", "parallel": "assignment"}
METHODS: Final = {
    "exact": "exact",
    "cover": "milp",
    "highs": "milp[formulation={form},reductions=none]",
    "cbc": "milp[formulation={form},backend=cbc,reductions=none]",
}
LIMIT_S: Final = 300.0
SHIFT_S: Final = 1.0

CAPTION: Final = (
    "Wall seconds of the solver alone, one thread, one run each, every run in a process of its own, on "
    "the suite `textbook`. `highs` and `cbc` (through PuLP) solve the textbook form without any reduction, "
    "`destination` for `single` and `assignment` for `parallel`; `cover` is `milp` as shipped. A ratio is "
    "a peer's seconds over those of `exact`; a `>` says that the peer was stopped at its limit of "
    f"{LIMIT_S:g} s. The last row has shifted geometric means (shift {SHIFT_S:g} s) and their ratios."
)


def textbook() -> Table:
    """Measure every instance of the suite with every method.

    Raises
    ------
    ValueError
        If two methods that prove an optimum disagree by more than 1e-6.
    """
    file = read_suite("textbook")
    rows: list[dict[str, Cell]] = []
    seconds: dict[str, list[float]] = {name: [] for name in METHODS}
    for named in suite_instances(file.suite, file.folder, None):
        instance = named.instance
        row: dict[str, Cell] = {"instance": instance.name, "activations": instance.n_activations}
        optima = []
        for name, solver in METHODS.items():
            run = measure(instance, solver.format(form=TEXTBOOK[instance.dispatch]), LIMIT_S)
            seconds[name].append(min(run.seconds, LIMIT_S))
            row[f"{name}_s"] = run.seconds if run.termination == "optimal" else f"> {LIMIT_S:g}"
            if run.termination == "optimal" and run.saving_s is not None:
                optima.append(run.saving_s)
        if max(optima) - min(optima) > 1e-6 * max(optima):
            raise ValueError(f"{instance.name}: proven optima differ: {optima}")
        row |= {f"{name}_ratio": seconds[name][-1] / seconds["exact"][-1] for name in list(METHODS)[1:]}
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
    means = {name: shifted_mean(values) for name, values in seconds.items()}
    rows.append(
        {"instance": "shifted geometric mean", "activations": None}
        | {f"{name}_s": mean for name, mean in means.items()}
        | {f"{name}_ratio": means[name] / means["exact"] for name in list(METHODS)[1:]}
    )
    return Table(CAPTION, rows)


def shifted_mean(values: list[float]) -> float:
    """(product of (t + shift)) ** (1 / n) - shift."""
    return math.exp(sum(math.log(value + SHIFT_S) for value in values) / len(values)) - SHIFT_S
