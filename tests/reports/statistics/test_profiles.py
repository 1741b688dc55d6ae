"""Performance profiles: every point computed by hand."""

import math

import pytest

from slimbench.reports import ratio_profile, time_profile
from slimbench.reports.statistics.profiles import time_distribution

PROVEN = (1.0, 1.0, True)


def points(profile, solver, *columns):
    return profile[profile["solver"] == solver][list(columns)].to_numpy().tolist()


def test_ratio_profile_counts_instances_at_or_above_tau(make_results, failed):
    runs = [
        {"solver": "a", "instance": "i", "saving_s": 1.0},
        {"solver": "a", "instance": "j", "saving_s": 0.5},
        {"solver": "b", "instance": "i", "saving_s": 0.8},
        {"solver": "b", "instance": "j", **failed},
    ]
    profile = ratio_profile(make_results(runs, {"i": PROVEN, "j": PROVEN}))
    assert points(profile, "a", "tau", "share_low") == [[1.0, 0.5], [0.5, 1.0], [0.0, 1.0]]
    assert points(profile, "b", "tau", "share_low") == [[1.0, 0.0], [0.8, 0.5], [0.0, 0.5]]


def test_ratio_profile_has_a_band_where_the_optimum_is_open(make_results):
    results = make_results([{"solver": "a", "instance": "i", "saving_s": 0.4}], {"i": (0.8, 1.0, False)})
    assert points(ratio_profile(results), "a", "tau", "share_low", "share_high") == [
        [1.0, 0.0, 0.0],
        [0.5, 0.0, 1.0],
        [0.4, 1.0, 1.0],
        [0.0, 1.0, 1.0],
    ]


def test_instance_whose_repeats_mostly_failed_does_not_count(make_results, failed):
    runs = [{"solver": "a", "instance": "i", "saving_s": 1.0}]
    runs += [{"solver": "a", "instance": "i", "repeat": n, **failed} for n in (1, 2)]
    results = make_results(runs, {"i": PROVEN})
    assert set(ratio_profile(results)["share_high"]) == {0.0}
    assert set(time_profile(results)["share"]) == {0.0}


def test_time_profile_compares_with_the_fastest_on_each_instance(make_results, failed):
    runs = [
        {"solver": "a", "instance": "i", "saving_s": 1.0, "runtime_s": 1.0},
        {"solver": "a", "instance": "j", "saving_s": 1.0, "runtime_s": 6.0},
        {"solver": "b", "instance": "i", "saving_s": 0.1, "runtime_s": 4.0},
        {"solver": "b", "instance": "j", "saving_s": 0.1, "runtime_s": 2.0},
        {"solver": "c", "instance": "i", **failed, "runtime_s": 0.001},
        {"solver": "c", "instance": "j", "saving_s": 0.1, "runtime_s": 2.0},
    ]
    profile = time_profile(make_results(runs))
    assert points(profile, "a", "tau", "share") == [[1.0, 0.5], [3.0, 1.0], [4.0, 1.0]]
    assert points(profile, "b", "tau", "share") == [[1.0, 0.5], [4.0, 1.0]]
    assert points(profile, "c", "tau", "share") == [[1.0, 0.5], [4.0, 0.5]]


def test_time_profile_of_an_instance_that_nobody_finished(make_results, failed):
    profile = time_profile(make_results([{"solver": "a", "instance": "i", **failed}]))
    assert points(profile, "a", "tau", "share") == [[1.0, 0.0]]


@pytest.mark.parametrize("profile", [ratio_profile, time_profile])
def test_profile_of_nothing_is_empty(make_results, profile):
    assert profile(make_results([])).empty


def test_a_solver_that_is_left_out_reaches_nothing_there(make_results, failed):
    runs = [
        {"solver": "all", "instance": "i", "saving_s": 1.0, "runtime_s": 1.0},
        {"solver": "all", "instance": "j", "saving_s": 0.5, "runtime_s": 3.0},
        {"solver": "spared", "instance": "i", "saving_s": 1.0, "runtime_s": 2.0},
        {"solver": "waiting", "instance": "i", "saving_s": 1.0, "runtime_s": 2.0},
        {"solver": "waiting", "instance": "j", **failed, "status": "planned"},
    ]
    results = make_results(runs, {"i": PROVEN, "j": PROVEN})
    for solver in ("spared", "waiting"):
        assert points(ratio_profile(results), solver, "tau", "share_low")[-1] == [0.0, 0.5]
        assert points(time_profile(results), solver, "tau", "share")[-1] == [2.0, 0.5]
        assert points(time_distribution(results), solver, "seconds", "share") == [[2.0, 0.5]]
    assert points(ratio_profile(results), "all", "tau", "share_low")[-1] == [0.0, 1.0]


def test_times_below_the_clock_are_equal(make_results):
    runs = [
        {"solver": s, "instance": "i", "saving_s": 1.0, "runtime_s": t} for s, t in (("a", 0.0), ("b", 1e-7))
    ]
    assert time_profile(make_results(runs))["share"].tolist() == [1.0, 1.0]
    assert math.isfinite(time_profile(make_results(runs))["tau"].max())
