"""What reductions are worth: factors against the same call with all of them."""

import math

import pytest

from slimbench.reports import reduction_effects
from slimbench.reports.statistics.exact_methods import split_reductions


def run(reductions="", instance="i", *, base="", proof_s=1.0, saving=1.0, **figures):
    """Return a run of ``milp`` that recorded these figures; 100 rows, 50 columns, 9 nodes, root bound 1.1."""
    given = [part for part in (base, f"reductions={reductions}" if reductions else "") if part]
    return {
        "solver": f"milp[{','.join(given)}]" if given else "milp",
        "instance": instance,
        "saving_s": saving,
        "exact": True,
        "termination": "optimal",
        "runtime_s": proof_s,
        "figures": {"rows": 100, "columns": 50, "nodes": 9.0, "root_bound_s": 1.1} | figures,
    }


@pytest.mark.parametrize(
    ("label", "parts"),
    [
        ("milp", ("milp", "")),
        ("milp[backend=scip]", ("milp[backend=scip]", "")),
        ("milp[reductions=none]", ("milp", "none")),
        ("milp[backend=scip,reductions=merge+symmetry]", ("milp[backend=scip]", "merge+symmetry")),
        ("milp[reductions=none,backend=scip]", ("milp[backend=scip]", "none")),
        ("outer[start=milp[reductions=none]]", ("outer[start=milp[reductions=none]]", "")),
    ],
)
def test_call_is_split_from_its_own_reductions(label, parts):
    assert split_reductions(label) == parts


def test_factors_are_over_the_call_with_all_reductions(make_results):
    runs = [
        run(proof_s=1.0),
        run(instance="j", proof_s=3.0),
        run("none", rows=200, columns=100, nodes=19.0, root_bound_s=1.5, proof_s=3.0),
        run("none", "j", rows=800, proof_s=7.0),
    ]
    every, none = reduction_effects(make_results(runs)).to_dict("records")
    assert (every["call"], every["reductions"]) == ("milp", "all")
    assert (every["rows_factor"], every["time_factor"], every["n_changed"]) == (1, 1, 0)
    assert every["mean_root_gap"] == pytest.approx(0.1)
    assert (none["call"], none["reductions"], none["n_instances"], none["n_changed"]) == (
        "milp",
        "none",
        2,
        2,
    )
    assert none["rows_factor"] == pytest.approx(math.sqrt(2 * 8))
    assert none["columns_factor"] == pytest.approx(math.sqrt(2))
    assert none["mean_root_gap"] == pytest.approx((0.5 + 0.1) / 2)
    assert none["nodes_factor"] == pytest.approx((math.sqrt(20 * 10) - 1) / 9)
    assert none["time_factor"] == pytest.approx((math.sqrt(4 * 8) - 1) / (math.sqrt(2 * 4) - 1))


def test_costliest_stands_first_and_unchanged_models_last(make_results):
    without = [f"all-but-{name}" for name in ("a", "b", "c", "d")]
    runs = [
        run(),
        run(without[0], proof_s=9.0),  # the same model, so noise
        run(without[1], rows=110, proof_s=0.5),
        run(without[2], root_bound_s=1.2, proof_s=4.0),
        run(without[3], columns=60, proof_s=2.0),
    ]
    effects = reduction_effects(make_results(runs))
    assert effects["reductions"].tolist() == ["all", without[2], without[3], without[1], without[0]]
    assert effects["n_changed"].tolist() == [0, 1, 1, 1, 0]


def test_only_instances_that_both_ran_are_compared(make_results):
    runs = [run(), run(instance="j", rows=5), run("none", rows=200), run("none", "k", rows=7)]
    none = reduction_effects(make_results(runs)).iloc[1]
    assert (none["n_instances"], none["rows_factor"]) == (1, 2.0)


def test_each_call_is_held_against_its_own_backend(make_results):
    runs = [run(), run(base="backend=scip", rows=50), run("none", base="backend=scip", rows=75), run("none")]
    effects = reduction_effects(make_results(runs))
    assert effects[["call", "reductions"]].to_numpy().tolist() == [
        ["milp", "all"], ["milp", "none"], ["milp[backend=scip]", "all"], ["milp[backend=scip]", "none"],
    ]  # fmt: skip
    assert effects["rows_factor"].tolist() == [1.0, 1.0, 1.0, 1.5]


def test_unknown_figures_leave_gaps(make_results):
    bare = [r | {"figures": {}} for r in (run(), run("none"))]
    none = reduction_effects(make_results(bare)).iloc[1]
    assert none[["rows_factor", "nodes_factor", "mean_root_gap"]].isna().all()
    assert (none["n_changed"], none["time_factor"]) == (0, 1.0)


@pytest.mark.parametrize("runs", [[], [run()], [run("none")]])
def test_nothing_to_compare_leaves_no_rows(make_results, runs):
    assert reduction_effects(make_results(runs)).empty
