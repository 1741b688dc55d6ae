"""``slim-maxconv``: the same placements where layers are small, and large layers with a proven alpha."""

import pytest
from adversarial import ADVERSARIAL, guaranteed_ratio, run, run_expired
from oracles import brute_force, plain_fits, plain_saving
from samples import random_instance

from slimbench.instances import DISPATCHES


@pytest.mark.parametrize("exact_experts", [0, 10])
@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_maxconv_is_feasible_deterministic_and_keeps_its_guarantee(kind, dispatch, exact_experts):
    instance = ADVERSARIAL[kind](dispatch)
    placement, context = run("slim-maxconv", instance, exact_experts=exact_experts)
    assert plain_fits(instance, placement)
    assert run("slim-maxconv", instance, seed=1, exact_experts=exact_experts)[0] == placement
    assert plain_fits(instance, run_expired("slim-maxconv", instance, exact_experts=exact_experts))
    ratio = guaranteed_ratio("slim-maxconv", instance, context, exact_experts=exact_experts)
    assert (ratio is None) == (dispatch == "parallel" and instance.max_group_size > 1)
    if ratio is not None:
        alpha = context.figures["alpha"]
        assert ratio == alpha / (1 + alpha)
        assert plain_saving(instance, placement) >= ratio * brute_force(instance)[0] - 1e-12


@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_maxconv_saves_what_dp_saves_when_all_layers_are_exact(dispatch, top_k):
    for seed in range(6):
        instance = random_instance(
            seed,
            dispatch=dispatch,
            models=2,
            layers=3,
            experts=8,
            top_k=top_k,
            groups=6,
            equal_sizes=False,
            capacity=0.3,
            on_device=0.2,
        )
        fast, context = run("slim-maxconv", instance, exact_experts=10)
        assert context.figures["alpha"] == 1
        saving = plain_saving(instance, run("slim-dp", instance)[0])
        # later servers see other terms where equally good caches differ, which random latencies exclude
        assert plain_saving(instance, fast) == pytest.approx(saving, rel=1e-12)


@pytest.mark.parametrize("dispatch", ["single", "parallel"])
def test_maxconv_runs_on_layers_of_256_experts_in_groups_of_eight(dispatch):
    instance = random_instance(
        0, dispatch=dispatch, servers=3, users=10, layers=2, experts=256, top_k=8, groups=100, on_device=0.5
    )
    placement, context = run("slim-maxconv", instance)
    assert plain_fits(instance, placement)
    assert plain_saving(instance, placement) > 0
    assert 0 < context.figures["alpha"] <= 1


@pytest.mark.parametrize("dispatch", ["single", "parallel"])
def test_splitting_never_proves_more_than_enumeration(dispatch):
    """On one server the exact run is optimal; the split run saves no more, and at least its alpha of it."""
    alphas = []
    for seed in range(8):
        instance = random_instance(
            seed, dispatch=dispatch, servers=1, experts=12, groups=12, capacity=0.7, unreachable=0.0
        )
        optimum = plain_saving(instance, run("slim-maxconv", instance, exact_experts=12)[0])
        split, context = run("slim-maxconv", instance, exact_experts=0)
        alpha = context.figures["alpha"]
        assert alpha * optimum - 1e-12 <= plain_saving(instance, split) <= optimum + 1e-12
        alphas.append(alpha)
    assert min(alphas) < 1
