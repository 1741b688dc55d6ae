"""Ratios by K, by hand."""

import math

import pytest

from slimbench.reports.statistics.ratios import by_top_k


def test_each_solver_has_its_ratios_at_each_k(make_results, failed):
    runs = [
        {"solver": "greedy", "instance": "i", "top_k": 4, "saving_s": 0.9},
        {"solver": "greedy", "instance": "j", "top_k": 4, "saving_s": 0.4},
        {"solver": "greedy", "instance": "k", "top_k": 1, "saving_s": 1.0},
        {"solver": "dp", "instance": "i", "top_k": 4, "saving_s": 0.8},
        {"solver": "dp", "instance": "j", "top_k": 4, **failed},
        {"solver": "dp", "instance": "k", "top_k": 1, **failed},
    ]
    references = {"i": (1.0, 1.0, True), "j": (0.5, 1.0, False), "k": (1.0, 1.0, True)}
    table = by_top_k(make_results(runs, references)).set_index(["solver", "top_k"])
    assert list(table.index) == [("greedy", 1), ("greedy", 4), ("dp", 1), ("dp", 4)]
    greedy = table.loc[("greedy", 4)]
    assert (greedy["n_instances"], greedy["n_placed"], greedy["worst_instance"]) == (2, 2, "j")
    assert greedy[["min_low", "min_high", "gmean_low", "gmean_high"]].tolist() == pytest.approx(
        [0.4, 0.8, 0.6, math.sqrt(0.72)]
    )
    assert table["n_placed"].tolist() == [1, 2, 0, 1]
    assert math.isnan(table.loc[("dp", 1), "min_low"])
    assert table.loc[("dp", 1), "worst_instance"] == ""


def test_a_run_of_nothing_has_no_k(make_results):
    assert by_top_k(make_results([])).empty
