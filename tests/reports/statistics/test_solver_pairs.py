"""Two calls on the same instances: factors and losses by hand."""

import math

import numpy as np
import pytest

from slimbench.reports.statistics.solver_pairs import pair_summary, solver_pair


def run(solver, instance, saving, seconds, **more):
    return {"solver": solver, "instance": instance, "saving_s": saving, "runtime_s": seconds, **more}


def test_time_and_loss_are_taken_instance_by_instance(make_results, failed):
    results = make_results([
        run("slim-dp", "i", 1.0, 8.0), run("slim-maxconv", "i", 0.75, 2.0),
        run("slim-dp", "j", 0.5, 9.0), run("slim-maxconv", "j", 0.6, 9.0),
        run("slim-dp", "k", 0.5, 1.0), {"solver": "slim-maxconv", "instance": "k", **failed},
        run("random", "i", 0.1, 0.1),
    ])  # fmt: skip
    pair = solver_pair(results)
    assert pair["instance"].tolist() == ["i", "j"]
    assert pair["time_factor"].tolist() == [4, 1]
    assert pair["loss"].tolist() == pytest.approx([0.25, -0.2])
    assert pair["activations"].tolist() == [120, 120]
    row = pair_summary(pair).iloc[0]
    assert (row["n_instances"], row["n_timed"], row["worst_instance"]) == (2, 2, "i")
    factors = row[["time_factor_min", "time_factor_gmean", "time_factor_max"]].tolist()
    assert factors == pytest.approx([1, 2, 4])
    assert (row["loss_mean"], row["loss_max"]) == pytest.approx((0.025, 0.25))


def test_any_two_calls_are_a_pair_and_repeats_count_by_their_median(make_results):
    runs = [run("a[x=1]", "i", saving, 3.0, repeat=n) for n, saving in enumerate((0.2, 0.5, 1.0))]
    pair = solver_pair(make_results([*runs, run("b", "i", 0.4, 1.5)]), "a[x=1]", "b")
    assert pair["loss"].tolist() == pytest.approx([0.2])
    assert pair["time_factor"].tolist() == [2]


def test_where_neither_saves_anything_nothing_is_lost(make_results):
    results = make_results([
        run("slim-dp", "i", 1e-12, 1.0), run("slim-maxconv", "i", 0.0, 1.0),
        run("slim-dp", "j", 0.0, 1.0), run("slim-maxconv", "j", 0.5, 1.0),
    ])  # fmt: skip
    assert solver_pair(results)["loss"].tolist() == [0, -math.inf]


def test_an_answer_at_the_time_limit_has_a_loss_and_no_factor(make_results):
    late = run("slim-dp", "i", 1.0, 10.0, status="time_limit")
    pair = solver_pair(make_results([late, run("slim-maxconv", "i", 0.5, 1.0)]))
    assert pair["loss"].tolist() == [0.5]
    row = pair_summary(pair).iloc[0]
    assert row["n_timed"] == 0
    assert np.isnan(row["time_factor_gmean"])


def test_a_run_without_the_two_calls_has_no_pair(make_results):
    for results in (make_results([run("slim-dp", "i", 1.0, 1.0)]), make_results([])):
        assert solver_pair(results).empty
        assert pair_summary(solver_pair(results)).empty
