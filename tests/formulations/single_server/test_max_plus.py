"""Every max-plus method against the definition, on integer-valued profiles where equality is exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimbench.formulations.single_server import max_plus as methods
from slimbench.formulations.single_server.max_plus import (
    EVERY_PAIR,
    EVERY_PAIR_LAST,
    FASTEST,
    is_concave,
    join_layers,
    max_plus,
    max_plus_plain,
    unwound,
)

arbitrary = st.lists(st.integers(-9, 9), min_size=1, max_size=24).map(lambda v: np.array(v, np.float64))
slopes = st.lists(st.integers(-6, 6), max_size=24)
concave = st.tuples(st.integers(-3, 3), slopes).map(
    lambda v: np.concatenate([[v[0]], v[0] + np.cumsum(sorted(v[1], reverse=True))]).astype(np.float64)
)
either = arbitrary | concave
limits = st.integers(0, 60)


def by_definition(f, g, limit):
    """h[k] = max over i + j = k of f[i] + g[j], for k up to the limit."""
    sums = {}
    for i, a in enumerate(f):
        for j, b in enumerate(g):
            sums.setdefault(i + j, []).append(a + b)
    return [max(sums[k]) for k in sorted(sums) if k <= limit]


def assert_split_reaches(f, g, h, split):
    for k, i in enumerate(split):
        assert 0 <= i < len(f)
        assert 0 <= k - i < len(g)
        assert h[k] == f[i] + g[k - i]


@pytest.mark.parametrize("method", [max_plus, max_plus_plain])
@given(f=either, g=either, limit=limits)
def test_convolution_is_the_definition_and_its_split_reaches_it(method, f, g, limit):
    h, split = method(f, g, limit)
    assert h.tolist() == by_definition(f, g, limit)
    assert_split_reaches(f, g, h, split)


@given(f=concave, g=concave)
def test_merging_slopes_is_the_definition_for_concave_profiles(f, g):
    length = len(f) + len(g) - 1
    split = methods._merge_slopes(f, g, length)
    assert (f[split] + g[np.arange(length) - split]).tolist() == by_definition(f, g, length)


@given(f=arbitrary, g=concave, limit=limits)
def test_smawk_equals_pair_by_pair_for_any_f_and_concave_g(f, g, limit):
    length = min(len(f) + len(g) - 1, limit + 1)
    split, plain = methods._smawk(f, g, length), methods._pair_by_pair(f, g, length, False)
    rows = np.arange(length)
    assert (f[split] + g[rows - split]).tolist() == (f[plain] + g[rows - plain]).tolist()


def test_smawk_agrees_on_long_profiles_of_few_values():
    rng = np.random.default_rng(0)
    for p, q in [(1, 400), (400, 1), (257, 256), (33, 500), (500, 33)]:
        f = np.cumsum(rng.integers(0, 3, p)).astype(np.float64)  # full of ties
        g = np.concatenate([[0.0], np.cumsum(np.sort(rng.integers(0, 3, q - 1))[::-1])])
        split, length = methods._smawk(f, g, p + q - 1), p + q - 1
        plain = methods._pair_by_pair(f, g, length, False)
        rows = np.arange(length)
        assert np.array_equal(f[split] + g[rows - split], f[plain] + g[rows - plain])


@given(f=either)
def test_a_single_zero_is_neutral(f):
    for h, _ in (max_plus(f, np.zeros(1), len(f)), max_plus(np.zeros(1), f, len(f))):
        assert np.array_equal(h, f)


def test_ties_of_the_plain_recursion_go_to_the_smallest_split():
    _, split = max_plus_plain(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 2.0]), 4)
    assert split.tolist() == [0, 0, 0, 1, 2]


@given(f=concave)
def test_sorted_slopes_are_concave(f):
    assert is_concave(f)
    assert is_concave(f * 0.1)  # rounding of the products does not spoil it


@given(f=concave.filter(lambda f: len(f) > 2), data=st.data())
def test_one_growing_slope_is_not_concave(f, data):
    bent = f.copy()
    k = data.draw(st.integers(2, len(f) - 1))
    bent[k:] += bent[k - 1] - bent[k - 2] - (bent[k] - bent[k - 1]) + 1  # slope k one above slope k - 1
    assert not is_concave(bent)


def test_concavity_is_judged_relative_to_the_largest_slope():
    assert is_concave(np.array([0.0, 1.0, 2.0 + 1e-14]))
    assert not is_concave(np.array([0.0, 1.0, 2.0 + 1e-10]))
    assert not is_concave(np.array([0.0, 1e-9, 3e-9]))
    assert is_concave(np.zeros(1))
    assert is_concave(np.array([0.0, -5.0]))


@pytest.mark.parametrize(("p", "q"), [(1, 3000), (3000, 1), (1500, 700), (700, 1500), (1024, 1025)])
def test_blocks_are_the_definition_and_ties_go_to_the_smallest_split_across_their_seams(p, q):
    rng = np.random.default_rng(0)
    f, g = rng.integers(0, 5, p).astype(np.float64), rng.integers(0, 5, q).astype(np.float64)
    for limit in (p + q, 1023, 1024, 1030):
        h, split = max_plus_plain(f, g, limit)
        for k in {0, 1, len(h) // 2, 1022, 1023, 1024, 1025, 2047, 2048, len(h) - 1}:
            if k < len(h):
                sums = [f[i] + g[k - i] for i in range(max(0, k - q + 1), min(p - 1, k) + 1)]
                assert h[k] == max(sums)
                assert split[k] == max(0, k - q + 1) + int(np.argmax(sums))


def joined(curves, limits, method):
    """Join curves of two models: the curves of both, and how many experts each curve gives to counts."""
    starts, models = np.cumsum([0, *map(len, curves)]), np.array([0, len(curves) // 2, len(curves)])
    both, ends, splits, offsets = join_layers(
        np.concatenate([[], *curves]), starts, models, np.array(limits), method, 1e-12
    )
    return np.split(both, ends[1:-1]), lambda counts: unwound(splits, offsets, models, np.array(counts))


@given(
    curves=st.lists(either, max_size=6),
    limit=st.integers(0, 30),
    method=st.sampled_from([FASTEST, EVERY_PAIR]),
)
def test_curves_joined_in_a_row_are_the_best_of_all_splits_and_unwind_to_them(curves, limit, method):
    both, used_for = joined(curves, [limit, limit + 3], method)
    half = len(curves) // 2
    for m, (own, reach) in enumerate(((slice(0, half), limit), (slice(half, None), limit + 3))):
        expected = np.zeros(1)
        for one in curves[own]:
            expected = max_plus_plain(expected, one, reach)[0]
        assert both[m] == pytest.approx(expected, rel=1e-12)
        for count in range(len(both[m])):
            used = used_for([count, 0] if m == 0 else [0, count])[own]
            assert used.sum() == count
            assert sum(one[c] for one, c in zip(curves[own], used, strict=True)) == pytest.approx(
                both[m][count]
            )


@given(curves=st.lists(either, min_size=1, max_size=4), limit=st.integers(0, 30))
def test_with_the_last_method_room_may_be_left_over_and_of_equal_splits_the_last_gives_least(curves, limit):
    both, used_for = joined([*curves[::2], *curves], [0, limit], EVERY_PAIR_LAST)
    own = ([*curves[::2], *curves])[(len(curves[::2]) + len(curves)) // 2 :]
    expected = np.zeros(min(limit, sum(len(one) - 1 for one in own)) + 1)
    for one in own[:-1]:
        expected = max_plus_plain(expected, one, len(expected) - 1)[0]
    for count in range(len(both[1])):
        sums = [expected[count - c] + own[-1][c] for c in range(min(len(own[-1]), count + 1))]
        assert both[1][count] == max(sums)
        assert used_for([0, count])[-1] == int(np.argmax(sums))


def test_numbers_of_experts_that_are_not_allowed_stay_so():
    must_hold_two = np.array([-np.inf, -np.inf, 3.0])
    (first, second), _ = joined([must_hold_two, must_hold_two], [1, 2], EVERY_PAIR_LAST)
    assert first.tolist() == [-np.inf, -np.inf]
    assert second.tolist() == [-np.inf, -np.inf, 3.0]
