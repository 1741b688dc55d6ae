"""Verdicts on paired changes: against enumerated p-values, a worked example, and at their thresholds."""

import itertools

import numpy as np
import pytest

from slimbench.bench.results.significance import fewest_pairs, holm, signed_rank_p, verdict


def enumerated_p(changes):
    """The share of all sign patterns whose rank sum is at least as far from its mean."""
    ranks = np.argsort(np.argsort(np.abs(changes))) + 1
    mean = ranks.sum() / 2
    observed = abs(ranks[changes > 0].sum() - mean)
    sums = [ranks[list(signs)].sum() for signs in itertools.product([False, True], repeat=len(changes))]
    return np.mean(np.abs(np.array(sums) - mean) >= observed - 1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_the_signed_rank_test_is_that_of_all_sign_patterns(seed):
    changes = np.random.default_rng(seed).normal(0.5, 1, 8)
    assert signed_rank_p(changes) == pytest.approx(enumerated_p(changes))
    assert signed_rank_p(np.append(changes, [0, 0, 0])) == pytest.approx(enumerated_p(changes))


def test_no_change_is_no_evidence():
    assert signed_rank_p(np.zeros(9)) == 1
    assert signed_rank_p(np.array([])) == 1


def test_the_fewest_pairs_are_those_whose_least_p_value_reaches_the_level():
    assert fewest_pairs(0.05) == 6
    for alpha in (0.5, 0.25, 0.1, 0.05, 0.01):
        n = fewest_pairs(alpha)
        assert signed_rank_p(np.arange(1.0, n + 1)) <= alpha
        assert signed_rank_p(np.arange(1.0, n)) > alpha


def test_holm_multiplies_the_smallest_most_and_keeps_the_order():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(
    ("factor", "p_value", "n", "expected"),
    [
        (1.2, 0.01, 6, "better"),
        (0.8, 0.01, 6, "worse"),
        (0.8, 0.051, 6, "changed, not significant"),
        (1.2, 0.051, 6, "changed, not significant"),
        (1.1, 0.01, 6, "same"),
        (1 / 1.1, 0.01, 6, "same"),
        (9.9, 0.01, 5, "too few to test"),
        (float("nan"), float("nan"), 0, "too few to test"),
    ],
)
def test_verdicts(factor, p_value, n, expected):
    given = {"threshold": 1.1, "alpha": 0.05}
    assert verdict(factor, p_value, n, more_is_better=True, **given) == expected
    mirrored = {"better": "worse", "worse": "better"}.get(expected, expected)
    assert verdict(factor, p_value, n, more_is_better=False, **given) == mirrored
