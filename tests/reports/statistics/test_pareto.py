"""The front of ratio against time, by hand."""

import pytest

from slimbench.reports.statistics.aggregates import pareto_front

ONE = (1.0, 1.0, True)


@pytest.fixture
def front(make_results):
    """Return the front of ``{solver: (ratio, seconds)}`` on one instance."""

    def of(points):
        runs = [
            {"solver": solver, "instance": "i", "saving_s": ratio, "runtime_s": seconds}
            for solver, (ratio, seconds) in points.items()
        ]
        return pareto_front(make_results(runs, {"i": ONE}))

    return of


def test_a_solver_is_on_the_front_unless_another_is_as_good_and_better_in_one(front):
    table = front({"a": (0.5, 1.0), "b": (0.9, 2.0), "c": (0.8, 3.0), "d": (0.9, 2.5), "e": (0.4, 1.0)})
    assert table["solver"].tolist() == ["a", "e", "b", "d", "c"]
    assert table.loc[table["on_front"], "solver"].tolist() == ["a", "b"]
    assert table["seconds"].tolist() == pytest.approx([1, 1, 2, 2.5, 3])


def test_solvers_that_are_equal_in_both_are_both_on_it(front):
    assert front({"a": (0.5, 1.0), "b": (0.5, 1.0)})["on_front"].tolist() == [True, True]


def test_it_is_over_the_instances_that_all_have_answered(make_results, failed):
    runs = [
        {"solver": "a", "instance": "i", "saving_s": 0.5},
        {"solver": "a", "instance": "j", "saving_s": 0.9},
        {"solver": "b", "instance": "i", "saving_s": 0.8},
        {"solver": "b", "instance": "j", **failed},
    ]
    results = make_results(runs, {"i": ONE, "j": ONE})
    assert pareto_front(results).set_index("solver")["ratio_low"].to_dict() == {"a": 0.5, "b": 0.8}
    table = pareto_front(results, "penalised").set_index("solver")
    assert table["ratio_low"].to_dict() == pytest.approx({"a": 0.45**0.5, "b": 0})
    assert table["on_front"].to_dict() == {"a": True, "b": False}


def test_a_run_of_nothing_has_no_front(make_results):
    assert pareto_front(make_results([])).empty
