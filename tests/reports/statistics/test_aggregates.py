"""Aggregates: what each way of counting failures gives, by hand, and confidence intervals over instances."""

import math

import numpy as np
import pytest
from scipy.stats import t as student_t

from slimbench.reports.statistics.aggregates import aggregate_table
from slimbench.reports.statistics.bootstrap import MIN_INSTANCES, mean_limits

ONE = (1.0, 1.0, True)


@pytest.fixture
def table(make_results, failed):
    """Return the aggregates of a steady solver and of a fragile one that crashes on the third instance."""
    runs = [
        {"solver": "steady", "instance": name, "saving_s": saving, "runtime_s": 1.0}
        for name, saving in (("i", 0.5), ("j", 0.8), ("k", 0.4))
    ]
    runs += [
        {"solver": "fragile", "instance": "i", "saving_s": 0.9, "runtime_s": 3.0},
        {"solver": "fragile", "instance": "j", "saving_s": 0.1, "runtime_s": 3.0},
        {"solver": "fragile", "instance": "j", "saving_s": 0.4, "repeat": 1, "runtime_s": 3.0},
        {"solver": "fragile", "instance": "j", "saving_s": 0.9, "repeat": 2, "runtime_s": 9.0},
        {"solver": "fragile", "instance": "k", **failed, "latency_none_s": math.nan, "time_limit_s": 10.0},
        {"solver": "fragile", "instance": "l", **failed, "status": "planned", "latency_none_s": math.nan},
    ]
    return aggregate_table(make_results(runs, dict.fromkeys("ijk", ONE))).set_index(["mode", "solver"])


def test_every_mode_has_every_solver_with_the_best_worst_case_first(table):
    assert list(table.index) == [
        ("survivors", "fragile"), ("survivors", "steady"), ("penalised", "steady"), ("penalised", "fragile"),
        ("intersection", "steady"), ("intersection", "fragile"),
    ]  # fmt: skip


def test_survivors_are_the_instances_with_a_placement(table):
    row = table.loc[("survivors", "fragile")]
    assert row[["n_planned", "n_ok", "n_failed", "n_not_run", "n_all", "n_instances"]].tolist() == [
        6, 4, 1, 1, 3, 2,
    ]  # fmt: skip
    assert (row["min_low"], row["max_low"], row["mean_low"]) == pytest.approx((0.4, 0.9, 0.65))
    assert row["gmean_low"] == row["gmean_high"] == pytest.approx(0.6)
    assert (row["n_timed"], row["shifted_gmean_s"]) == (2, pytest.approx(3.0))
    assert row["latency_max_high"] == pytest.approx(1.6)


def test_a_failure_is_penalised_with_ratio_zero_all_latency_and_its_time_limit(table):
    row = table.loc[("penalised", "fragile")]
    assert (row["n_instances"], row["min_low"], row["gmean_low"]) == (3, 0, 0)
    assert row["mean_low"] == pytest.approx((0.9 + 0.4 + 0) / 3)
    assert row["latency_max_low"] == row["latency_max_high"] == pytest.approx(2.0)  # 2 s against 1 s
    assert row["shifted_gmean_s"] == pytest.approx((4 * 4 * 11) ** (1 / 3) - 1)
    assert row["ci_of"] == "mean"


def test_the_intersection_leaves_every_solver_the_same_instances(table):
    assert table.loc["intersection", "n_instances"].tolist() == [2, 2]
    assert table.loc[("intersection", "steady"), "min_low"] == 0.5
    assert table.loc[("intersection", "steady"), "gmean_low"] == pytest.approx(math.sqrt(0.4))


def test_an_answer_at_the_time_limit_counts_with_it_wherever_times_are_compared(make_results):
    run = {"solver": "s", "instance": "i", "saving_s": 0.5, "status": "time_limit", "runtime_s": 10.2}
    table = aggregate_table(make_results([run], {"i": ONE})).set_index("mode")
    assert table["n_instances"].tolist() == [1, 1, 1]
    assert table["n_timed"].tolist() == [0, 1, 1]
    np.testing.assert_allclose(table["shifted_gmean_s"], [math.nan, 10, 10])


def test_a_repeat_that_failed_is_penalised_within_its_instance(make_results, failed):
    runs = [
        {"solver": "s", "instance": "i", "saving_s": 0.8},
        {"solver": "s", "instance": "i", "repeat": 1, **failed},
    ]
    table = aggregate_table(make_results(runs, {"i": ONE})).set_index("mode")
    assert table["median_low"].tolist() == pytest.approx([0.8, 0.4, 0.8])


def test_a_failure_is_no_ratio_of_one_where_nothing_can_be_saved(make_results, failed):
    results = make_results([{"solver": "s", "instance": "i", **failed}], {"i": (0.0, 0.0, True)})
    row = aggregate_table(results).set_index("mode").loc["penalised"]
    assert (row["max_high"], row["latency_max_high"]) == (0, 1)


def test_latency_is_unknown_where_nobody_has_a_placement(make_results, failed):
    run = {"solver": "s", "instance": "i", **failed, "latency_none_s": math.nan}
    results = make_results([run])
    results.references["latency_none_s"] = math.nan
    row = aggregate_table(results).set_index("mode").loc["penalised"]
    assert (row["max_high"], row["latency_max_low"], row["latency_max_high"]) == (0, 1, math.inf)


def test_a_solver_without_any_placement_empties_the_intersection(make_results, failed):
    runs = [
        {"solver": "a", "instance": "i", "saving_s": 1.0},
        {"solver": "b", "instance": "i", **failed},
    ]
    table = aggregate_table(make_results(runs, {"i": ONE})).set_index("mode")
    assert table.loc["intersection", "n_instances"].tolist() == [0, 0]
    assert table.loc["intersection", ["min_low", "ci_low", "shifted_gmean_s"]].isna().all(axis=None)


def test_confidence_runs_from_the_limit_of_the_low_end_to_that_of_the_high_end(make_results):
    savings = {"i": 0.5, "j": 0.7, "k": 0.8, "l": 0.9}
    runs = [{"solver": "s", "instance": name, "saving_s": saving} for name, saving in savings.items()]
    row = aggregate_table(make_results(runs, dict.fromkeys(savings, (1.0, 1.25, False)))).iloc[0]
    low, high = np.log([0.4, 0.56, 0.64, 0.72]), np.log([0.5, 0.7, 0.8, 0.9])
    assert row["ci_of"] == "gmean"
    assert row["ci_low"] == pytest.approx(math.exp(mean_limits(low)[0]))
    assert row["ci_high"] == pytest.approx(math.exp(mean_limits(high)[1]))
    assert 0.4 < row["ci_low"] < row["gmean_low"] < row["gmean_high"] < row["ci_high"] < 0.9


def test_two_instances_have_no_confidence_interval(make_results):
    runs = [{"solver": "s", "instance": name, "saving_s": 0.5} for name in "ij"]
    table = aggregate_table(make_results(runs, dict.fromkeys("ij", ONE)))
    assert table[["ci_low", "ci_high"]].isna().all(axis=None)


def test_limits_come_close_to_those_of_students_t_where_it_holds():
    values = np.random.default_rng(1).normal(0.5, 0.1, 60)
    half = student_t.ppf(0.975, 59) * values.std(ddof=1) / math.sqrt(60)
    assert mean_limits(values) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.15 * half)


def test_limits_cover_the_mean_about_as_often_as_they_say():
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(100):
        low, high = mean_limits(rng.beta(8, 2, 25))
        covered += low <= 0.8 <= high
    assert 88 <= covered <= 99


def test_limits_depend_on_neither_order_nor_how_often_they_are_asked_for():
    values = np.array([0.2, 0.9, 0.7, 0.95])
    assert mean_limits(values) == mean_limits(values[::-1])
    assert mean_limits(np.full(5, 0.3)) == (0.3, 0.3)
    assert all(map(math.isnan, mean_limits(values[: MIN_INSTANCES - 1])))
    assert all(map(math.isnan, mean_limits(np.array([1, 2, math.inf]))))


def test_a_run_of_nothing_has_no_aggregates(make_results):
    assert aggregate_table(make_results([])).empty
