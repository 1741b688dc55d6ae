"""Gaps over time: medians computed by hand, and who is drawn."""

import math

import numpy as np
import pytest

from slimbench.reports import anytime_curves
from slimbench.reports.statistics.anytime import MAX_POINTS

NAN, INF = math.nan, math.inf
PROVEN = (1.0, 1.0, True)


def run(solver, instance, *steps, **more):
    return {"solver": solver, "instance": instance, "saving_s": 1.0, "steps": steps} | more


def points(curves, solver="a"):
    own = curves[curves["solver"] == solver]
    return own[["seconds", "bound_gap", "saving_gap"]].to_numpy().tolist()


def test_curve_of_one_run_is_its_gaps(make_results):
    results = make_results([run("a", "i", (0.1, 0.5, NAN), (0.2, 0.5, 1.5), (0.4, 1.0, 1.0))], {"i": PROVEN})
    assert points(anytime_curves(results)) == [[0.1, INF, 0.5], [0.2, 0.5, 0.5], [0.4, 0.0, 0.0]]


def test_curve_is_the_median_of_runs_that_keep_their_last_gaps(make_results):
    runs = [
        run("a", "i", (0.1, 0.9, 1.2), (0.3, 1.0, 1.0)),
        run("a", "j", (0.2, 0.5, 1.6)),
        run("a", "k", (0.4, 0.8, 1.1)),
    ]
    curves = anytime_curves(make_results(runs, dict.fromkeys("ijk", PROVEN)))
    assert np.array(points(curves)) == pytest.approx(
        np.array([[0.1, INF, 1.0], [0.2, 0.6, 0.5], [0.4, 0.1, 0.2]])
    )
    assert set(curves["n_runs"]) == {3}


def test_gaps_are_over_the_best_known_saving(make_results):
    runs = [run("a", "i", (0.1, 0.5, 2.0), saving_s=0.5), run("b", "i", saving_s=0.8)]
    ((_, bound_gap, saving_gap),) = points(anytime_curves(make_results(runs)))
    assert (bound_gap, saving_gap) == pytest.approx((2.0 / 0.8 - 1, 1 - 0.5 / 0.8))


def test_run_that_failed_at_once_counts_as_no_bound_and_no_placement(make_results, failed):
    lost = run("a", "j") | failed | {"latency_none_s": NAN}
    runs = [run("a", "i", (0.1, 1.0, 1.0)), lost, run("b", "j")]
    curves = anytime_curves(make_results(runs, {"i": PROVEN, "j": PROVEN}))
    assert points(curves) == [[0.1, INF, 0.5]]


def test_bound_that_a_placement_disproves_is_left_out(make_results):
    runs = [run("a", "i", (0.1, 0.5, 1.3), (0.2, 0.5, 0.9), (0.3, 0.7, 0.9), saving_s=0.7), run("b", "i")]
    curves = np.array(points(anytime_curves(make_results(runs))))
    assert curves == pytest.approx(np.array([[0.1, 0.3, 0.5], [0.3, 0.3, 0.3]]))


def test_dispatches_have_curves_of_their_own(make_results):
    runs = [run("a", "i", (0.1, 1.0, 2.0)), run("a", "j", (0.1, 1.0, 1.0), dispatch="serial")]
    curves = anytime_curves(make_results(runs, {"i": PROVEN, "j": PROVEN}))
    assert curves[["dispatch", "bound_gap"]].to_numpy().tolist() == [["single", 1.0], ["serial", 0.0]]


def test_solvers_with_a_bound_or_two_incumbents_are_drawn(make_results):
    runs = [
        run("bounds", "i", (0.1, NAN, 2.0)),
        run("improves", "i", (0.1, 0.5, NAN), (0.2, 0.6, NAN)),
        run("one-placement", "i", (0.1, 0.5, NAN)),
        run("silent", "i"),
    ]
    assert list(anytime_curves(make_results(runs))["solver"].unique()) == ["bounds", "improves"]


def test_call_without_a_reduction_is_drawn_only_alone(make_results):
    labels = ["milp", "milp[reductions=none]", "milp[backend=scip,reductions=none]"]
    runs = [run(label, "i", (0.1, 1.0, 1.0)) for label in labels]
    assert list(anytime_curves(make_results(runs))["solver"]) == [labels[0], labels[2]]


def test_many_steps_are_thinned_on_a_logarithmic_clock(make_results):
    times = np.linspace(0.001, 10.0, 5000)
    steps = [(t, k / 5000, NAN) for k, t in enumerate(times, start=1)]
    curve = np.array(points(anytime_curves(make_results([run("a", "i", *steps)], {"i": PROVEN}))))
    assert MAX_POINTS / 2 < len(curve) <= MAX_POINTS
    assert curve[-1].tolist() == [10.0, INF, 0.0]
    for seconds, _, gap in curve:  # each point lies on the full curve
        assert gap == pytest.approx(1 - np.searchsorted(times, seconds, side="right") / 5000)


@pytest.mark.parametrize(
    "runs", [[], [run("a", "i")], [run("a", "i", (0.1, 0.0, 1e-15), saving_s=0.0)]], ids=str
)
def test_nothing_to_draw_leaves_no_curves(make_results, runs):
    assert anytime_curves(make_results(runs)).empty
