"""Moves in turn until none improves, and what counts as an improvement."""

import numpy as np
import pytest

from slimbench.formulations.heuristics.sweep import sweep
from slimbench.formulations.terms.and_terms import AndTerms


def never():
    return False


def tried(n_moves, improving, **options):
    """The moves in the order in which they are tried; ``improving`` maps a move to how often it improves."""
    left, moves = dict(improving), []

    def improves(move):
        moves.append(move)
        left[move] = left.get(move, 0) - 1
        return left[move] >= 0

    sweep(n_moves, improves, options.pop("expired", never), **options)
    return moves


def test_it_ends_once_every_move_was_tried_in_vain():
    assert tried(3, {}) == [0, 1, 2]
    assert tried(3, {1: 1}) == [0, 1, 2, 0, 1]
    assert tried(0, {}) == []


def test_a_move_that_settles_is_not_tried_again_at_once():
    assert tried(3, {1: 1}, settles=True) == [0, 1, 2, 0]


def test_in_random_order_too_no_move_is_left_out_or_tried_twice_in_vain():
    """Counting moves in vain across two orders would try one twice and end without another."""
    orders = iter([[0, 1, 2, 3], [1, 3, 2, 0]])
    assert tried(4, {1: 1}, order=lambda _: next(orders)) == [0, 1, 2, 3, 1, 0]


def test_it_stops_when_time_is_up():
    asked = iter([False, False, True])
    assert tried(5, {0: 9}, expired=lambda: next(asked)) == [0, 1]


def terms_of(weights):
    """Terms of one expert each."""
    n = len(weights)
    return AndTerms(
        np.array(weights), np.arange(n + 1), np.arange(n, dtype=np.int32), np.array([0, n], np.int64)
    )


def caches(old, new):
    return np.array(old, np.bool_), np.array(new, np.bool_)


def test_what_both_caches_have_is_no_part_of_the_comparison():
    terms = terms_of([1e9, -1e9, 1e-9])
    assert terms.improves(*caches([1, 1, 0], [1, 1, 1]))
    assert not terms.improves(*caches([1, 1, 1], [1, 1, 0]))


def test_a_difference_of_rounding_is_no_improvement():
    weights = [0.1, 0.2, -0.3, 0.6, -0.6]
    assert sum(weights[:3]) > 0  # in this order
    terms = terms_of(weights)
    for old, new in (([0, 0, 0, 1, 1], [1, 1, 1, 0, 0]), ([1, 1, 1, 0, 0], [0, 0, 0, 1, 1])):
        assert not terms.improves(*caches(old, new))


@pytest.mark.parametrize("held", [[0, 0], [1, 0], [1, 1]])
def test_equal_caches_are_no_improvement(held):
    assert not terms_of([0.1, -0.1]).improves(*caches(held, held))


def test_an_improvement_beyond_rounding_is_one_however_the_rest_cancels():
    assert terms_of([1.0, -1.0, 1e-11]).improves(*caches([0, 0, 0], [1, 1, 1]))
    assert not terms_of([1.0, -1.0, 1e-13]).improves(*caches([0, 0, 0], [1, 1, 1]))
