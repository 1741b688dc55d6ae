"""Incumbents and bounds on their way from a library to its listener."""

import math
import threading

import numpy as np
import pytest
from isolated import PATIENCE_S

from slimbench.formulations import SolverError
from slimbench.formulations.backends import BACKENDS, SolveOptions
from slimbench.formulations.backends.result import Progress

LISTENED = ["highs", "scip", "cp-sat", "gurobi"]  # CBC tells at its end only
WITH_A_ROOT = [b for b in BACKENDS if b != "cp-sat"]
MODELS = {"single": "cover", "parallel": "assignment"}


def progress():
    told = []
    options = SolveOptions(
        on_incumbent=lambda values, bound: told.append((float(values[0]), bound)), on_bound=told.append
    )
    return Progress(options), told


def test_only_better_incumbents_and_lower_bounds_are_told():
    best, told = progress()
    best.found(np.array([1.0]), 1.0, math.inf, 0)
    best.proved(10.0, 0)
    best.proved(11.0, 0)
    best.found(np.array([0.5]), 0.5, 9.0, 0)
    best.proved(9.0, 0)
    best.found(np.array([2.0]), 2.0, 1e30, 5)
    assert told == [(1.0, math.inf), 10.0, 9.0, (2.0, 9.0)]
    assert (best.objective, best.bound) == (2.0, 9.0)


def test_a_bound_that_hardly_moves_is_told_once():
    best, told = progress()
    for bound in (100.0, 100.0 - 1e-8, 100.0 - 2e-7):
        best.proved(bound, 0)
    assert told == [100.0, 100.0 - 2e-7]


def test_the_root_is_done_with_the_first_node():
    best, _ = progress()
    for bound, nodes in ((9.0, 0), (8.0, 1), (7.0, 2)):
        best.proved(bound, nodes)
    assert (best.root_bound, best.bound) == (8.0, 7.0)


def test_nothing_changes_and_nothing_is_told_once_it_is_over():
    best, told = progress()
    with best:
        best.found(np.array([1.0]), 1.0, 9.0, 0)
    best.found(np.array([2.0]), 2.0, 5.0, 0)
    best.proved(4.0, 0)
    assert told == [(1.0, 9.0)]
    assert (best.objective, best.bound, best.root_bound) == (1.0, 9.0, 9.0)


def test_it_is_not_over_before_a_listener_that_is_being_told_has_returned():
    begun, may_return, order = threading.Event(), threading.Event(), []

    def listen(values, bound):
        begun.set()
        may_return.wait(PATIENCE_S)
        order.append("told")

    def left_behind():
        with best:
            begun.wait(PATIENCE_S)
        order.append("over")

    best = Progress(SolveOptions(on_incumbent=listen))
    library = threading.Thread(target=best.found, args=(np.array([1.0]), 1.0, 9.0, 0))
    waiting = threading.Thread(target=left_behind)
    for thread in (library, waiting):
        thread.start()
    begun.wait(PATIENCE_S)
    waiting.join(0.1)  # without a lock it would be over now
    may_return.set()
    for thread in (library, waiting):
        thread.join(PATIENCE_S)
    assert order == ["told", "over"]


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
def test_what_a_listener_raises_stops_the_library_and_is_raised_at_the_end(error):
    stopped, told = [], []

    def bad(bound):
        told.append(bound)
        raise error

    with (
        pytest.raises(type(error)) as raised,
        Progress(SolveOptions(on_bound=bad), lambda: stopped.append(1)) as best,
    ):
        for bound in (9.0, 8.0):
            with best.callback():
                best.proved(bound, 0)
        raise SolverError("what the library makes of it")
    assert raised.value is error
    assert (told, stopped, best.failed) == ([9.0], [1], True)


@pytest.mark.parametrize("bound", [math.inf, math.nan, 1e100, 1e20])
def test_what_libraries_say_before_they_have_a_bound_is_none(bound):
    best, told = progress()
    best.proved(bound, 0)
    assert told == []
    assert best.bound == math.inf
