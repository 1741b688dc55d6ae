"""Which solver a report calls the best heuristic: one that only reports bounds may be it."""

from slimbench.bench.plugins.registry import find_solvers
from slimbench.reports.pages.summary import best_worst_case


def test_a_solver_that_reports_bounds_is_a_heuristic(make_results):
    savings = {"exact": 1.0, "lagrangian": 0.9, "slim-dp": 0.8}
    flags = {name: {"exact": s.exact, "bounds": s.bounds} for name, s in find_solvers().items()}
    rows = [{"solver": name, "instance": "i", "saving_s": s, **flags[name]} for name, s in savings.items()]
    best, kind = best_worst_case(make_results(rows, {"i": (1.0, 1.0, True)}))
    assert (best["solver"], kind) == ("lagrangian", "heuristic")
