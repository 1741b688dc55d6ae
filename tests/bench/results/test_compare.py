"""Two runs side by side: what is called worse, what is not called so, and what it may come from."""

import pytest
from compared_runs import NAMES, REFERENCES, rows
from run_folders import MACHINE, write_run

from slimbench.bench.results.compare import NOISE_S, compare_runs
from slimbench.bench.results.results import load_results


@pytest.fixture
def comparison(folders):
    def compare(before, after, options=(), **given):
        old, new = folders(before, after, **given)
        return compare_runs(load_results(old), load_results(new), **dict(options))

    return compare


def of(comparison, measure, solver="a"):
    table = comparison.solvers
    (row,) = table[table["measure"].eq(measure) & table["solver"].eq(solver)].to_dict("records")
    return row


def test_a_run_is_the_same_as_itself(comparison):
    result = comparison(rows(), rows())
    assert result.solvers["verdict"].tolist() == ["same", "same"]
    assert result.solvers["factor"].tolist() == [1, 1]
    assert (of(result, "quality")["before_low"], of(result, "runtime")["after_high"]) == pytest.approx(
        (0.8, 0.5)
    )
    assert not result.is_regression
    assert result.contradictions == ()


@pytest.mark.parametrize(
    ("measure", "before", "after", "verdict"),
    [
        ("quality", {"saving_s": 0.8}, {"saving_s": 0.7}, "worse"),
        ("quality", {"saving_s": 0.7}, {"saving_s": 0.8}, "better"),
        ("quality", {"saving_s": 0.8}, {"saving_s": 0.795}, "same"),  # within 1 %
        ("quality", {"saving_s": 0.8}, {"saving_s": 0.0}, "worse"),
        ("quality", {"saving_s": 0.0}, {"saving_s": 0.0}, "same"),
        ("runtime", {"runtime_s": 0.5}, {"runtime_s": 0.6}, "worse"),
        ("runtime", {"runtime_s": 0.6}, {"runtime_s": 0.5}, "better"),
        ("runtime", {"runtime_s": 0.5}, {"runtime_s": 0.54}, "same"),  # within 10 %
    ],
)
def test_what_changes_everywhere_beyond_the_threshold_is_said_so(comparison, measure, before, after, verdict):
    result = comparison(rows(**before), rows(**after))
    assert of(result, measure)["verdict"] == verdict
    assert result.is_regression == (verdict == "worse")
    other = "runtime" if measure == "quality" else "quality"
    assert of(result, other)["verdict"] == "same"


def test_thresholds_and_level_are_as_asked(comparison):
    before, after = rows(), rows(saving_s=0.7, runtime_s=0.6)
    result = comparison(before, after, options={"factor": 1.3, "quality_factor": 1.2}.items())
    assert result.solvers["verdict"].tolist() == ["same", "same"]
    for options in ({"factor": 0.9}, {"quality_factor": float("nan")}, {"alpha": 0.0}, {"alpha": 1.0}):
        with pytest.raises(ValueError, match="expected >= 1"):
            compare_runs(None, None, **options)


def test_a_change_on_few_of_many_instances_is_a_class_of_its_own(comparison):
    result = comparison(rows(), rows(lambda i: {"saving_s": 0.1} if i < 2 else {}))
    row = of(result, "quality")
    assert row["verdict"] == "changed, not significant"
    assert (row["n_worse"], row["n_better"], row["n_instances"]) == (2, 0, 8)
    assert (row["worst_instance"], row["worst_factor"]) == ("i0", pytest.approx(0.125))
    assert not result.is_regression


@pytest.mark.parametrize(("count", "verdict"), [(5, "too few to test"), (6, "worse")])
def test_fewer_instances_than_the_test_can_decide_are_not_tested(comparison, count, verdict):
    result = comparison(rows(names=NAMES[:count]), rows(names=NAMES[:count], saving_s=0.1))
    assert of(result, "quality")["verdict"] == verdict


def test_many_solvers_are_corrected_for(comparison):
    names = NAMES[:6]  # least p-value 1 / 32: significant alone, not among two
    before = [*rows(names=names), *rows(names=names, solver="b")]
    after = [*rows(names=names, saving_s=0.4), *rows(names=names, solver="b", saving_s=0.4)]
    result = comparison(before, after)
    assert of(result, "quality")["p_value"] == pytest.approx(2 / 32)
    assert set(result.solvers[result.solvers["measure"].eq("quality")]["verdict"]) == {
        "changed, not significant"
    }


# Noise


def test_runtimes_that_differ_by_less_than_a_millisecond_do_not_differ(comparison):
    fast, slow = 1e-4, 1e-4 + 0.9 * NOISE_S
    assert of(comparison(rows(runtime_s=fast), rows(runtime_s=slow)), "runtime")["verdict"] == "same"


@pytest.mark.parametrize(("width", "verdict"), [(0.3, "worse"), (3.0, "same")])
def test_runtimes_that_differ_by_less_than_their_repeats_do_not_differ(comparison, width, verdict):
    def repeated(middle):
        return [
            row | {"repeat": r, "runtime_s": middle + shift}
            for row in rows()
            for r, shift in enumerate((-width, 0, width))
        ]

    assert of(comparison(repeated(4.0), repeated(5.0)), "runtime")["verdict"] == verdict


def test_runtimes_of_runs_that_did_not_end_well_do_not_count(comparison):
    stopped = rows(lambda i: {"status": "time_limit", "runtime_s": 10.0} if i < 4 else {})
    assert of(comparison(stopped, stopped), "runtime")["n_instances"] == 4


# The joint reference


def test_a_better_reference_is_no_change_of_quality(folders):
    better = [row | {"saving_s": 1.6, "bound_saving_s": 1.6} for row in REFERENCES[:3]]
    old, new = folders(rows(), rows())
    newer = write_run(new.parent / "newer", [*better, *REFERENCES[3:], *rows()])
    result = compare_runs(load_results(old), load_results(newer))
    row = of(result, "quality")
    assert (row["factor"], row["verdict"]) == (1, "same")
    assert row["before_low"] == row["after_low"] == 0  # a refuted bound bounds nothing
    assert result.change_causes["n_references_changed"].tolist() == [3]
    assert len(result.contradictions) == 3  # the older bounds are refuted
    assert "i0: a verified saving of 1.6 s in one run is above the bound of 1 s" in result.contradictions[0]


def test_ratios_are_intervals_by_the_best_saving_and_the_least_bound_of_both(folders):
    loose = [row | {"saving_s": 0.9, "bound_saving_s": 2.0} for row in REFERENCES]
    old, _ = folders(rows(), rows(), references=loose)
    tight = [row | {"saving_s": 0.8, "bound_saving_s": 1.6} for row in REFERENCES]
    new = write_run(old.parent / "newer", [*tight, *rows()])
    row = of(compare_runs(load_results(old), load_results(new)), "quality")
    assert (row["before_low"], row["before_high"]) == pytest.approx((0.8 / 1.6, 0.8 / 0.9))


# How runs end


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"status": "crashed", "saving_s": None}),
        ({}, {"status": "time_limit"}),
        ({"status": "time_limit"}, {"status": "time_limit", "saving_s": None}),
        ({"status": "time_limit"}, {"status": "error"}),
        ({"status": "no_solution", "saving_s": None}, {"status": "invalid_placement", "saving_s": None}),
        ({"exact": True, "termination": "optimal"}, {"exact": True}),
    ],
)
def test_one_run_that_ends_worse_is_a_regression_and_the_reverse_is_none(comparison, tmp_path, before, after):
    result = comparison(rows(lambda i: before if i == 2 else {}), rows(lambda i: after if i == 2 else {}))
    assert result.worse_statuses[["solver", "instance"]].to_numpy().tolist() == [["a", "i2"]]
    assert result.is_regression
    reverse = compare_runs(load_results(tmp_path / "new"), load_results(tmp_path / "old"))
    assert len(reverse.worse_statuses) == 0


def test_the_worst_of_the_repeats_counts(comparison):
    twice = [row | {"repeat": r} for row in rows() for r in range(2)]
    worse = [
        row | ({"status": "crashed"} if row["instance"] == "i0" and row["repeat"] else {}) for row in twice
    ]
    result = comparison(twice, worse)
    assert result.worse_statuses[["before", "after"]].to_numpy().tolist() == [["ok", "crashed"]]


# What is compared, and what else differs


def test_only_cells_that_both_have_measured_are_compared(comparison):
    before = [*rows(), *rows(solver="b")]
    after = [*rows(lambda i: {"status": "planned"} if i == 0 else {}, names=NAMES[:7]), *rows(solver="c")]
    result = comparison(before, after)
    assert set(result.solvers["solver"]) == {"a"}
    assert result.cells["instance"].tolist() == NAMES[1:7]


def test_each_solver_is_told_with_what_else_changed(comparison):
    before = [*rows(), *rows(solver="b")]
    after = [*rows(code_version="sources 2", time_limit_s=20.0), *rows(solver="b")]
    result = comparison(before, after, machine=MACHINE | {"machine_id": "m2"})
    a, b = result.change_causes.to_dict("records")
    assert (a["code_before"], a["code_after"]) == ("sources 1", "sources 2")
    assert (a["machines_before"], a["machines_after"]) == ("m1", "m2")
    assert (a["settings_changed"], b["settings_changed"]) == ("time_limit_s", "")
    assert (b["code_before"], b["n_references_changed"]) == (b["code_after"], 0)


def test_more_repeats_are_no_change_of_seeds(comparison):
    more = [row | {"repeat": r, "seed": r + 1} for row in rows() for r in range(2)]
    assert comparison(rows(), more).change_causes["settings_changed"].tolist() == [""]
