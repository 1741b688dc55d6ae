"""One rule for what is the same: in claims, references, ratios of tables and lines of the console."""

from pathlib import Path

import pytest
from isolated import PATIENCE_S, process_of, run_milp_solver
from run_folders import write_run
from samples import with_fields

from slimbench.bench import load_results
from slimbench.bench.execution.verification import verified
from slimbench.bench.isolation.messages import Guaranteed, Job, PackedPlacement
from slimbench.bench.isolation.outcome import Outcome
from slimbench.bench.isolation.trajectory import IncumbentLog
from slimbench.bench.plugins.warm_up import Shape
from slimbench.bench.results.ratio_intervals import with_ratios
from slimbench.bench.results.references import reference_of
from slimbench.formulations.backends import BACKENDS
from slimbench.formulations.tolerances import AGREEMENT, ZERO_SAVING, agree, exceeds, share_of
from slimbench.instances import Placement, evaluate, read_instance

TINY_SAVING = Path(__file__).parents[2] / "field" / "tiny-saving.json"
NONE_S = 2.0  # latency without caches, of ``run_folders``
ZERO_S = ZERO_SAVING * NONE_S


def outcome_of(placement, bound_s, *, optimal):
    return Outcome(
        job=Job(0, "", Shape("single", 1), "milp", (), 1, 1.0, 1.0, 1, ""), status="ok", message="",
        placement=PackedPlacement.pack(placement), bound_saving_s=bound_s, optimal=optimal, runtime_s=0.1,
        cpu_s=0.1, peak_memory_mb=1.0, figures={}, load_before=0.0, machine={}, incumbents=IncumbentLog(),
        guarantee=Guaranteed(),
    )  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_saving_that_solvers_cannot_tell_from_nothing_is_an_answer(backend):
    """4e-11 of the latency: HiGHS says that nothing is saved, and its placement saves it."""
    instance = read_instance(TINY_SAVING)
    job = process_of(BACKENDS[backend][0]).submit(run_milp_solver, instance, 60.0, {"backend": backend})
    result = job.result(PATIENCE_S)
    bound_s = min(bound for _, bound in result["reports"] if bound is not None)
    outcome = outcome_of(result["placement"], bound_s, optimal=result["optimal"])
    row = verified(instance, outcome)
    assert (row["status"], row["termination"], row["message"]) == ("ok", "optimal", "")
    assert row["saving_s"] == pytest.approx(2.320051e-10, rel=1e-6)
    assert row["saving_s"] <= row["bound_saving_s"] <= ZERO_SAVING * row["latency_none_s"]


@pytest.mark.parametrize(("share", "status"), [(0.9, "ok"), (1.1, "error")])
@pytest.mark.parametrize("optimal", [True, False])
def test_a_claim_may_be_off_by_the_tolerance_and_no_more(optimal, share, status):
    """Nothing is claimed to be possible, and something is saved, below and above 1e-9 of the latency."""
    instance = read_instance(TINY_SAVING)
    rates = instance.rates * (instance.activation_users == 1)
    rates[instance.activation_users != 1] = 1.0  # what no server serves
    placement = Placement.of(instance, {1: [(0, 1, 1)]})
    latency_s = evaluate(with_fields(instance, rates=rates), placement).latency_none_s
    gain_s = 0.185 - 0.031
    rates[instance.activation_users == 1] = share * ZERO_SAVING * latency_s / gain_s
    changed = with_fields(instance, rates=rates)
    row = verified(changed, outcome_of(placement, 0.0, optimal=optimal))
    assert row["status"] == status
    if status == "ok":
        assert row["bound_saving_s"] == row["saving_s"] > 0
        assert row["termination"] == ("optimal" if optimal else "feasible")


def test_the_tolerance_is_relative_and_never_below_what_counts_as_nothing():
    assert not exceeds(1.0 + 0.9 * AGREEMENT, 1.0, NONE_S)
    assert exceeds(1.0 + 1.1 * AGREEMENT, 1.0, NONE_S)
    assert agree(1.0 - 0.9 * AGREEMENT, 1.0, NONE_S)
    assert not agree(1.0 - 1.1 * AGREEMENT, 1.0, NONE_S)
    assert not exceeds(0.9 * ZERO_S, 0.0, NONE_S)
    assert exceeds(1.1 * ZERO_S, 0.0, NONE_S)


def run(solver, saving, bound=None, *, exact=True):
    return {
        "instance": "cells", "solver": solver, "saving_s": saving, "bound_saving_s": bound, "exact": exact,
        "termination": "optimal" if bound is not None else "feasible", "library": solver, "runtime_s": 1.5,
        "time_limit_s": 60.0, "latency_none_s": NONE_S,
    }  # fmt: skip


def test_a_reference_of_nothing_is_not_refuted_by_less_than_the_tolerance():
    reference = reference_of([run("highs", 0.0, 0.0), run("greedy", 0.5 * ZERO_S, exact=False)])
    assert reference.closed
    assert reference.saving_s == reference.bound_saving_s == 0.5 * ZERO_S


@pytest.mark.parametrize("best", [0.5 * ZERO_S, 2 * ZERO_S, 1.0, 0.0])
@pytest.mark.parametrize("share", [0.0, 0.3051, 1.0])
def test_tables_and_console_tell_the_same_ratio(tmp_path, best, share):
    rows = [
        {"solver": "judge", "role": "reference", "exact": True, "termination": "optimal", "saving_s": best,
        "bound_saving_s": best},
        {"solver": "greedy", "saving_s": share * best},
    ]  # fmt: skip
    table = with_ratios(load_results(write_run(tmp_path, rows)))
    expected = 1.0 if best <= ZERO_S else share
    assert table[["ratio_low", "ratio_high"]].to_numpy().tolist() == [[expected, expected]]
    assert share_of(share * best, best, NONE_S) == expected
