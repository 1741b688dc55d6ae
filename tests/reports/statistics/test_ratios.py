"""Ratios: each interval and each table entry computed by hand."""

import math

import pytest

from slimbench.reports import per_instance, ratio_table, runtime_table, with_ratios

NAN = math.nan


def interval(make_results, saving, reference, **more):
    results = make_results([{"solver": "s", "instance": "i", "saving_s": saving, **more}], {"i": reference})
    row = with_ratios(results).iloc[0]
    return row["ratio_low"], row["ratio_high"]


@pytest.mark.parametrize(
    ("saving", "reference", "expected"),
    [
        (0.75, (1.0, 1.0, True), (0.75, 0.75)),
        (1.0, (1.0, 1.0, True), (1.0, 1.0)),
        (1 - 5e-7, (1.0, 1.0, True), (1.0, 1.0)),  # two exact methods agree to 1e-6
        (1 - 2e-6, (1.0, 1.0, True), (1 - 2e-6, 1 - 2e-6)),
        (0.6, (0.8, 1.0, False), (0.6, 0.75)),
        (0.8, (0.8, 1.0, False), (0.8, 1.0)),
        (0.9, (0.8, 1.0, False), (0.9, 1.0)),  # better than the best known, which it replaces
        (0.4, (0.8, NAN, False), (0.0, 0.5)),  # no bound
        (0.4, (NAN, NAN, False), (0.0, 1.0)),  # nobody else has a placement
        (0.5, (1.0, 0.8, True), (0.0, 0.5)),  # the bound is disproved
        (0.0, (0.0, 0.0, True), (1.0, 1.0)),  # nothing can be saved
        (0.0, (0.0, 1e-15, True), (1.0, 1.0)),
        (0.0, (0.0, 0.5, False), (0.0, 1.0)),
        (0.0, (1.0, 1.0, True), (0.0, 0.0)),
    ],
)
def test_ratio_is_the_bracket_of_saving_over_optimum(make_results, saving, reference, expected):
    assert interval(make_results, saving, reference) == pytest.approx(expected, abs=1e-15)


def test_run_without_a_placement_has_no_ratio(make_results):
    assert all(map(math.isnan, interval(make_results, NAN, (1.0, 1.0, True), status="no_solution")))


@pytest.mark.parametrize(
    ("saving", "reference", "expected"),
    [
        (0.5, (1.0, 1.0, True), (1.5, 1.5)),  # latency without caches is 2 s
        (0.5, (0.8, 1.0, False), (1.25, 1.5)),
        (0.8, (0.8, NAN, False), (1.0, math.inf)),
        (2.0, (2.0, 2.0, True), (1.0, 1.0)),  # both take no time at all
        (0.0, (0.0, 0.0, True), (1.0, 1.0)),
    ],
)
def test_latency_ratio_is_latency_over_optimal_latency(make_results, saving, reference, expected):
    results = make_results([{"solver": "s", "instance": "i", "saving_s": saving}], {"i": reference})
    row = with_ratios(results).iloc[0]
    assert (row["latency_ratio_low"], row["latency_ratio_high"]) == pytest.approx(expected)


def test_better_placement_of_one_solver_tightens_the_reference_of_all(make_results):
    results = make_results(
        [
            {"solver": "a", "instance": "i", "saving_s": 0.6},
            {"solver": "b", "instance": "i", "saving_s": 0.9},
        ],
        {"i": (0.8, 1.0, False)},
    )
    assert with_ratios(results)["ratio_high"].tolist() == pytest.approx([0.6 / 0.9, 1.0])


def test_instances_of_one_name_are_told_apart_by_their_hash(make_results):
    results = make_results(
        [
            {"solver": "s", "instance": "i", "saving_s": 0.5},
            {"solver": "s", "instance": "j", "saving_s": 0.5},
        ],
        {"i": (0.5, 0.5, True), "j": (1.0, 1.0, True)},
    )
    results.runs["instance"] = "same"
    assert with_ratios(results)["ratio_low"].tolist() == [1.0, 0.5]
    assert len(per_instance(results)) == 2


def mixed(make_results, failed):
    """Solver a: ratios 1 and the median of 0.2, 0.5, 0.9; b: an interval, and a crash; c: never ran."""
    return make_results(
        [
            {"solver": "a", "instance": "i", "saving_s": 1.0, "runtime_s": 1.0},
            {"solver": "a", "instance": "j", "saving_s": 0.2, "runtime_s": 3.0},
            {"solver": "a", "instance": "j", "saving_s": 0.9, "repeat": 1, "runtime_s": 3.0},
            {"solver": "a", "instance": "j", "saving_s": 0.5, "repeat": 2, "runtime_s": 7.0},
            {"solver": "b", "instance": "k", "saving_s": 0.6},
            {"solver": "b", "instance": "j", **failed},
            {"solver": "c", "instance": "i", **failed, "status": "planned"},
        ],
        {"i": (1.0, 1.0, True), "j": (1.0, 1.0, True), "k": (0.6, 0.8, False)},
    )


def test_ratio_table_takes_medians_over_repeats_first(make_results, failed):
    table = ratio_table(mixed(make_results, failed)).set_index("solver")
    a = table.loc["a"]
    assert (a["min_low"], a["median_low"], a["max_low"]) == (0.5, 0.75, 1.0)
    assert a["gmean_low"] == a["gmean_high"] == pytest.approx(math.sqrt(0.5))
    assert (a["optimal_low"], a["optimal_high"]) == (0.5, 0.5)
    assert a["worst_instance"] == "j"


def test_ratio_table_counts_what_failed_and_what_has_not_run(make_results, failed):
    table = ratio_table(mixed(make_results, failed)).set_index("solver")
    counts = ["n_planned", "n_ok", "n_failed", "n_not_run", "n_instances", "n_placed"]
    assert table.loc["a", counts].tolist() == [4, 4, 0, 0, 2, 2]
    assert table.loc["b", counts].tolist() == [2, 1, 1, 0, 2, 1]
    assert table.loc["c", counts].tolist() == [1, 0, 0, 1, 1, 0]
    assert math.isnan(table.loc["c", "min_low"])


def test_ratio_table_shows_intervals_and_shares_of_all_instances(make_results, failed):
    b = ratio_table(mixed(make_results, failed)).set_index("solver").loc["b"]
    assert (b["min_low"], b["min_high"]) == pytest.approx((0.75, 1.0))
    assert (b["optimal_low"], b["optimal_high"]) == (0.0, 0.5)


def test_ratio_table_puts_the_best_worst_case_first(make_results, failed):
    assert ratio_table(mixed(make_results, failed))["solver"].tolist() == ["b", "a", "c"]


def test_geometric_mean_with_a_zero_is_zero(make_results):
    results = make_results(
        [
            {"solver": "s", "instance": "i", "saving_s": 0.0},
            {"solver": "s", "instance": "j", "saving_s": 1.0},
        ],
        {"i": (1.0, 1.0, True), "j": (1.0, 1.0, True)},
    )
    assert ratio_table(results)["gmean_low"].tolist() == [0.0]


def test_runtime_table_shifts_the_geometric_mean_by_a_second(make_results, failed):
    a = runtime_table(mixed(make_results, failed)).set_index("solver").loc["a"]
    assert (a["median_s"], a["max_s"], a["total_s"]) == (3.0, 7.0, 14.0)
    assert a["shifted_gmean_s"] == pytest.approx((2 * 4 * 4 * 8) ** 0.25 - 1)


def test_runtime_table_leaves_out_the_times_of_failed_runs(make_results, failed):
    results = make_results(
        [
            {"solver": "s", "instance": "i", "saving_s": 0.5, "runtime_s": 1.0},
            {"solver": "s", "instance": "j", **failed, "status": "time_limit", "runtime_s": 60.0},
        ]
    )
    row = runtime_table(results).iloc[0]
    assert (row["max_s"], row["n_planned"], row["n_ok"], row["n_failed"]) == (1.0, 2, 1, 1)


def test_tables_of_nothing_are_empty(make_results):
    assert ratio_table(make_results([])).empty
    assert runtime_table(make_results([])).empty
