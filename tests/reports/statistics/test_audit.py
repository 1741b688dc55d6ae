"""The guarantee audit: each verdict, the case that decides it, and claims that a placement disproves."""

import math

import pytest

from slimbench.reports import guarantee_audit, violations

NAN = math.nan
HALF = {
    "guarantee_claim": "1/2",
    "guarantee_conditions": "K = 1",
    "guarantee_source": "a theorem",
    "guarantee_ratio": 0.5,
}
PROVEN = (1.0, 1.0, True)


def run(saving, instance="i", **more):
    return {"solver": "s", "instance": instance, "saving_s": saving, **HALF, **more}


@pytest.mark.parametrize(
    ("saving", "reference", "guarantee", "verdict"),
    [
        (0.6, PROVEN, 0.5, "holds"),
        (0.5, PROVEN, 0.5, "holds"),
        (0.5 - 5e-7, PROVEN, 0.5, "holds"),  # within tolerance
        (0.5 - 2e-6, PROVEN, 0.5, "violated"),
        (0.45, (0.8, 1.0, False), 0.5, "undecided"),  # 0.45 to 0.5625
        (0.55, (0.8, 1.0, False), 0.5, "holds"),  # 0.55 to 0.6875
        (0.35, (0.8, 1.0, False), 0.5, "violated"),  # 0.35 to 0.4375
        (0.1, PROVEN, NAN, "not_applicable"),
        (NAN, PROVEN, 0.5, "undecided"),  # applies, and nothing was measured
        (NAN, PROVEN, NAN, "undecided"),  # it failed before anyone could tell
    ],
)
def test_verdict_looks_at_the_whole_interval(make_results, saving, reference, guarantee, verdict):
    results = make_results([run(saving, guarantee_ratio=guarantee)], {"i": reference})
    row = guarantee_audit(results).iloc[0]
    assert row["verdict"] == verdict
    assert (row["claim"], row["conditions"], row["source"]) == ("1/2", "K = 1", "a theorem")


def test_tightest_case_is_the_one_with_the_least_margin(make_results):
    runs = [run(0.7), run(0.9, "j", guarantee_ratio=0.85), run(0.1, "k", guarantee_ratio=NAN)]
    row = guarantee_audit(make_results(runs, dict.fromkeys("ijk", PROVEN))).iloc[0]
    assert (row["instance"], row["guarantee"], row["ratio_low"]) == ("j", 0.85, 0.9)
    assert row["margin_low"] == pytest.approx(0.05)
    assert (row["worst_low"], row["worst_high"]) == (0.7, 0.7)
    assert (row["n_applicable"], row["n_instances"], row["n_cases"]) == (2, 3, 2)


def test_one_violated_case_outweighs_all_others(make_results):
    references = {"i": PROVEN, "j": (0.8, 1.0, False), "k": PROVEN}
    results = make_results([run(0.9), run(0.45, "j"), run(0.4, "k")], references)
    row = guarantee_audit(results).iloc[0]
    assert (row["verdict"], row["instance"]) == ("violated", "k")
    assert (row["n_violated"], row["n_undecided"]) == (1, 1)


def test_audit_lists_violations_first(make_results):
    runs = [run(0.9), run(0.1) | {"solver": "bad"}, run(0.1, guarantee_ratio=NAN) | {"solver": "elsewhere"}]
    audit = guarantee_audit(make_results(runs, {"i": PROVEN}))
    assert audit["solver"].tolist() == ["bad", "s", "elsewhere"]


def test_solver_without_a_guarantee_is_not_audited(make_results):
    results = make_results([run(0.1, guarantee_claim="", guarantee_ratio=NAN)], {"i": PROVEN})
    assert guarantee_audit(results).empty


# Expected guarantees


def seeds(savings, instance="i"):
    return [
        run(saving, instance, guarantee_expected=True, seed=n, repeat=n) for n, saving in enumerate(savings)
    ]


@pytest.mark.parametrize(
    ("savings", "verdict"),
    [
        ([0.4, 0.9, 0.9, 0.9, 0.9, 0.9], "holds"),  # one seed below is no violation; t limit 0.65
        ([0.4, 0.6, 0.6], "undecided"),  # mean 0.533, limits 0.339 and 0.728
        ([0.1, 0.1, 0.2, 0.1], "violated"),
        ([0.9, 0.9], "undecided"),  # too few seeds
    ],
)
def test_expected_guarantee_is_judged_by_confidence_limits_of_the_mean(make_results, savings, verdict):
    row = guarantee_audit(make_results(seeds(savings), {"i": PROVEN})).iloc[0]
    assert (row["verdict"], row["expected"]) == (verdict, True)
    assert row["ratio_low"] == pytest.approx(sum(savings) / len(savings))


def test_margin_of_an_expected_guarantee_is_its_confidence_limit(make_results):
    row = guarantee_audit(make_results(seeds([0.6, 0.7, 0.8]), {"i": PROVEN})).iloc[0]
    half_width = 2.919986 * 0.1 / math.sqrt(3)  # one-sided 95 % t with 2 degrees of freedom
    assert row["margin_low"] == pytest.approx(0.2 - half_width, abs=1e-6)


def test_equal_seeds_are_one_sample(make_results):
    runs = [r | {"seed": 7} for r in seeds([0.9, 0.9, 0.9])]
    assert guarantee_audit(make_results(runs, {"i": PROVEN}))["verdict"].tolist() == ["undecided"]


def test_many_instances_share_the_error_of_a_false_alarm(make_results):
    # Alone it is a violation at 5 %; among twenty that are fine it may be chance
    below = seeds([0.42, 0.44, 0.46])
    assert guarantee_audit(make_results(below, {"i": PROVEN})).iloc[0]["verdict"] == "violated"
    fine = [row for n in range(20) for row in seeds([0.9, 0.9, 0.9], f"fine-{n}")]
    references = {"i": PROVEN} | {f"fine-{n}": PROVEN for n in range(20)}
    assert guarantee_audit(make_results(below + fine, references)).iloc[0]["verdict"] == "undecided"


# Violations


def test_violated_guarantee_is_named_with_its_instance(make_results):
    row = violations(make_results([run(0.1, "tight")], {"tight": PROVEN})).iloc[0]
    assert (row["kind"], row["solver"], row["instance"]) == ("guarantee", "s", "tight")
    assert "0.1 against the declared 1/2 = 0.5" in row["detail"]


@pytest.mark.parametrize(("bound", "broken"), [(0.9, True), (1 - 5e-7, False), (1.0, False), (NAN, False)])
def test_bound_below_a_verified_saving_is_a_violation(make_results, bound, broken):
    runs = [
        {"solver": "bounder", "instance": "i", "saving_s": 0.8, "bound_saving_s": bound},
        {"solver": "other", "instance": "i", "saving_s": 1.0},
    ]
    found = violations(make_results(runs))
    assert found[["kind", "solver", "instance"]].to_numpy().tolist() == (
        [["bound", "bounder", "i"]] if broken else []
    )


def test_bound_of_a_run_without_a_placement_is_judged_too(make_results, failed):
    runs = [
        {"solver": "bounder", "instance": "i", **failed, "status": "no_solution", "bound_saving_s": 0.5},
        {"solver": "other", "instance": "i", "saving_s": 1.0},
    ]
    assert violations(make_results(runs))["solver"].tolist() == ["bounder"]


def test_optimum_that_is_beaten_is_a_violation(make_results):
    runs = [
        {"solver": "sure", "instance": "i", "saving_s": 0.8, "termination": "optimal"},
        {"solver": "other", "instance": "i", "saving_s": 1.0},
    ]
    found = violations(make_results(runs))
    assert found[["kind", "solver"]].to_numpy().tolist() == [["optimality", "sure"]]


def test_nothing_planned_breaks_no_promise(make_results):
    assert violations(make_results([])).empty
