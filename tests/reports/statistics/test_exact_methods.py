"""Exact methods side by side: every entry of the table computed by hand."""

import math

import pytest

from slimbench.reports import exact_table

NAN = math.nan


def run(solver, instance="i", saving=1.0, **more):
    """Return a run that proved its saving to be optimal."""
    row = {"solver": solver, "instance": instance, "saving_s": saving, "bound_saving_s": saving}
    return row | {"exact": True, "termination": "optimal"} | more


def rows(results):
    return exact_table(results).set_index("solver")


def test_only_exact_solvers_that_have_run_have_a_row(make_results, failed):
    runs = [run("a"), run("greedy", exact=False), run("later") | failed | {"status": "planned"}]
    assert exact_table(make_results(runs))["solver"].tolist() == ["a"]


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ({}, "claimed"),
        ({"termination": "feasible"}, "open"),
        ({"termination": "feasible", "runtime_s": 9.8}, "time_limit"),  # of 10 s, which it kept itself
        ({"termination": "feasible", "status": "time_limit", "runtime_s": 11.5}, "time_limit"),
        ({"termination": "none", "status": "no_solution", "saving_s": NAN, "runtime_s": 10.1}, "time_limit"),
        ({"termination": "none", "status": "no_solution", "saving_s": NAN, "runtime_s": 0.1}, "failed"),
        ({"termination": "feasible", "status": "error", "runtime_s": 10.1}, "failed"),
        ({"termination": "optimal", "runtime_s": 9.99}, "claimed"),
    ],
)
def test_outcome_of_an_instance(make_results, more, outcome):
    row = rows(make_results([run("a", **more)])).loc["a"]
    counts = {name: row[f"n_{name}"] for name in ("claimed", "open", "time_limit", "failed")}
    assert counts == dict.fromkeys(counts, 0) | {outcome: 1}


def test_instance_counts_by_its_worst_repeat(make_results, failed):
    runs = [
        run("a"),
        run("a", repeat=1) | failed,
        run("a", "j"),
        run("a", "j", repeat=1, termination="feasible"),
    ]
    row = rows(make_results(runs)).loc["a"]
    assert (row["n_instances"], row["n_claimed"], row["n_open"], row["n_failed"]) == (2, 0, 1, 1)


def test_instance_without_a_proof_counts_with_its_time_limit(make_results, failed):
    runs = [
        run("a", "i", runtime_s=1.0),
        run("a", "j", runtime_s=0.5, termination="feasible", time_limit_s=7.0),
        run("a", "k", time_limit_s=3.0) | failed,
    ]
    assert rows(make_results(runs)).loc["a", "shifted_gmean_s"] == pytest.approx((2 * 8 * 4) ** (1 / 3) - 1)


def test_calls_on_different_instances_are_compared_with_the_fastest_on_each(make_results):
    runs = [
        run("fast", "i", runtime_s=0.0),
        run("slow", "i", runtime_s=1.0),
        run("slow", "j", runtime_s=8.0),
        run("other", "j", runtime_s=3.5),
        run("other", "j", runtime_s=2.0, repeat=1),
        run("other", "j", runtime_s=0.1, repeat=2),
    ]
    table = exact_table(make_results(runs))
    assert table["solver"].tolist() == ["fast", "other", "slow"]
    assert table["factor"].tolist() == pytest.approx([1.0, 1.0, math.sqrt(2.0 * 3.0)])


def test_dispatches_name_what_a_call_ran_on(make_results):
    runs = [run("a", "i"), run("a", "j", dispatch="parallel"), run("b", "j", dispatch="parallel")]
    assert rows(make_results(runs))["dispatches"].to_dict() == {"a": "single, parallel", "b": "parallel"}


# Figures of the model


def test_figures_are_medians_over_instances(make_results):
    figures = [{"nodes": n, "rows": 10 * n, "columns": 5} for n in (1.0, 3.0, 100.0)]
    runs = [run("a", str(i), figures=figures[i]) for i in range(3)] + [run("a", "none"), run("b")]
    table = rows(make_results(runs))
    assert table.loc["a", ["median_nodes", "median_rows", "median_columns"]].tolist() == [3.0, 30.0, 5.0]
    assert table.loc["b", ["median_nodes", "median_rows", "median_root_gap"]].isna().all()


@pytest.mark.parametrize(
    ("root", "reference", "gap"),
    [
        (1.25, (1.0, 1.0, True), 0.25),
        (1.25, (1.2, 1.25, False), 1.25 / 1.2 - 1),  # someone else's placement is better
        (0.9, (1.0, 1.0, True), 0.0),  # cut off by the incumbent
        ("unknown", (1.0, 1.0, True), NAN),  # a plugin's own idea of the figure
    ],
)
def test_root_gap_is_over_the_best_known_saving(make_results, root, reference, gap):
    results = make_results([run("a", figures={"root_bound_s": root}, bound_saving_s=NAN)], {"i": reference})
    assert rows(results).loc["a", "median_root_gap"] == pytest.approx(gap, nan_ok=True)


def test_root_gap_of_an_instance_that_saves_nothing_is_unknown(make_results):
    results = make_results([run("a", saving=0.0, figures={"root_bound_s": 1e-12})], {"i": (0.0, 0.0, True)})
    assert math.isnan(rows(results).loc["a", "median_root_gap"])


# Disagreements


def test_different_optima_are_a_disagreement_that_names_the_instance(make_results):
    runs = [run("a"), run("b", saving=1 + 3e-6), run("a", "j"), run("b", "j", saving=1 + 5e-7)]
    table = rows(make_results(runs))
    assert table["n_disagreeing"].to_dict() == {"a": 1, "b": 1}
    assert table["disagreeing"].to_dict() == {"a": "i", "b": "i"}


def test_bound_below_a_verified_saving_is_a_disagreement(make_results):
    runs = [
        run("a", saving=0.8, termination="feasible", bound_saving_s=0.9),
        run("greedy", exact=False, termination="feasible", bound_saving_s=NAN),
        run("b"),
    ]
    assert rows(make_results(runs))["n_disagreeing"].to_dict() == {"a": 1, "b": 0}


def test_bound_of_a_run_without_a_placement_can_disagree(make_results, failed):
    lost = run("a") | failed | {"status": "no_solution", "bound_saving_s": 0.9, "latency_none_s": NAN}
    assert rows(make_results([lost, run("b")]))["n_disagreeing"].to_dict() == {"a": 1, "b": 0}


def test_an_optimum_and_a_worse_placement_are_no_disagreement(make_results):
    runs = [run("a"), run("b", saving=0.5, termination="feasible", bound_saving_s=1.5)]
    assert rows(make_results(runs))["n_disagreeing"].tolist() == [0, 0]


def test_table_of_nothing_is_empty(make_results):
    assert exact_table(make_results([])).empty
