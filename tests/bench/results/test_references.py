"""What ratios are measured against: levels, proofs, contradictions, and references solved before."""

import contextlib
import dataclasses
import math
import shutil
import sqlite3

import numpy as np
import pytest
from read_only import read_only

from slimbench.bench.execution import reference_cache
from slimbench.bench.execution.reference_cache import FILE_NAME, ReferenceCache
from slimbench.bench.isolation.messages import PackedPlacement
from slimbench.bench.plugins.warm_up import tiny_instance
from slimbench.bench.results.references import reference_of, standing
from slimbench.formulations import ContradictionError
from slimbench.formulations.brute_force import best_placement
from slimbench.formulations.tolerances import AGREEMENT
from slimbench.instances import Placement, evaluate


def run(solver, saving=None, bound=None, *, termination=None, exact=True, library=None):
    proven = saving is not None and saving == bound
    return {
        "instance": "cells", "solver": solver, "saving_s": saving, "bound_saving_s": bound, "exact": exact,
        "termination": termination or ("optimal" if proven else "feasible"), "library": library or solver,
        "runtime_s": 1.5, "time_limit_s": 60.0, "latency_none_s": 2.0,
    }  # fmt: skip


def heuristic(saving, bound=None):
    return run("greedy", saving, bound, exact=False)


@pytest.mark.parametrize(
    ("runs", "level"),
    [
        ([], "none"),
        ([heuristic(1.0)], "none"),
        ([heuristic(1.0, bound=1.0)], "none"),
        ([run("highs", 1.0, None)], "none"),
        ([run("highs", 1.0, 1.0)], "claimed"),
        ([run("highs", 0.9, 1.0)], "claimed"),
        ([run("highs", 1.0, 1.0), run("highs[formulation=radius]", 1.0, 1.0, library="highs")], "claimed"),
        ([run("highs", 1.0, 1.0), run("scip", 0.9, 1.1)], "claimed"),
        ([run("exact", 1.0, 1.0, library="prices+highs"), run("highs", 1.0, 1.0)], "claimed"),
        ([run("exact", 1.0, 1.0, library="prices+highs"), run("scip", 1.0, 1.0)], "cross-checked"),
        ([run("highs", 1.0, 1.0), run("scip", 1.0, 1.0)], "cross-checked"),
        ([run("highs", 0.9, 1.0), run("brute-force", 1.0, 1.0)], "certified"),
        ([run("highs", 1.0, 1.0), run("scip", 1.0, 1.0), run("brute-force", 1.0, 1.0)], "certified"),
    ],
)
def test_a_level_takes_proofs_by_as_many_code_bases_as_it_says(runs, level):
    assert reference_of(runs).level == level


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ([run("highs", 1.0, 1.0)], "claimed"),
        ([run("highs", 1.0, 1.0), run("highs[formulation=radius]", 1.0, 1.0, library="highs")], "claimed"),
        ([run("exact", 1.0, 1.0, library="prices+highs"), run("highs", 1.0, 1.0)], "claimed"),
        ([run("highs", 1.0, 1.0), run("scip", 1.0, 1.0)], "proven"),
        ([run("brute-force", 1.0, 1.0)], "proven"),
        ([run("highs", 0.9, 1.0)], "open"),
        ([run("highs", 0.9, 1.0), run("scip", 1.0, 1.1)], "claimed"),
        ([heuristic(1.0)], "open"),
    ],
)
def test_the_optimum_of_one_code_base_is_never_called_proven(runs, said):
    assert standing(dataclasses.asdict(reference_of(runs))) == said


def test_a_reference_is_the_best_saving_and_the_least_exact_bound():
    reference = reference_of([run("highs", 0.8, 1.2), run("scip", 0.7, 1.1), heuristic(0.9, bound=0.95)])
    assert (reference.saving_s, reference.best_by) == (0.9, "greedy")
    assert (reference.bound_saving_s, reference.solver) == (1.1, "scip")
    assert not reference.closed


def test_nothing_known_is_nan():
    reference = reference_of([run("highs"), heuristic(None)])
    assert math.isnan(reference.saving_s)
    assert math.isnan(reference.bound_saving_s)
    assert not reference.closed
    assert (reference.solver, reference.best_by) == ("", "")


@pytest.mark.parametrize(
    ("gap", "closed"), [(0.0, True), (0.9 * AGREEMENT, True), (1.1 * AGREEMENT, False), (0.1, False)]
)
def test_a_reference_is_closed_when_saving_and_bound_agree_to_1e_6(gap, closed):
    assert reference_of([run("highs", 1.0 - gap, 1.0)]).closed is closed
    assert reference_of([run("highs", 0.0, 1.0), heuristic(1.0 - gap)]).closed is closed


def test_an_optimum_of_nothing_closes_a_reference():
    assert reference_of([run("highs", 0.0, 0.0)]).closed


def test_a_verified_saving_above_an_exact_bound_is_a_contradiction_that_names_both():
    with pytest.raises(ContradictionError) as error:
        reference_of([run("liar", 0.5, 0.5), heuristic(0.6)])
    assert str(error.value) == (
        "cells: greedy has a verified saving of 0.6 s, above the bound of 0.5 s that liar claims"
    )


def test_two_exact_solvers_that_exclude_each_other_are_a_contradiction():
    with pytest.raises(ContradictionError, match=r"scip has a verified saving .* that highs claims"):
        reference_of([run("highs", 0.5, 0.5), run("scip", 0.6, 0.6)])


def test_a_bound_counts_whatever_became_of_the_run_that_claimed_it():
    with pytest.raises(ContradictionError):
        reference_of([run("liar", None, 0.5), heuristic(0.6)])


def test_a_saving_within_the_agreement_of_a_bound_is_no_contradiction_and_lifts_it():
    reference = reference_of([run("highs", 0.9, 1.0), heuristic(1.0 + 0.9 * AGREEMENT)])
    assert reference.bound_saving_s == reference.saving_s == 1.0 + 0.9 * AGREEMENT
    with pytest.raises(ContradictionError):
        reference_of([run("highs", 0.9, 1.0), heuristic(1.0 + 1.1 * AGREEMENT)])


def test_a_bound_of_a_solver_that_only_reports_bounds_closes_a_reference_and_can_be_contradicted():
    lagrangian = run("lagrangian", 0.9, 1.0, exact=False, library="prices") | {"bounds": True}
    reference = reference_of([lagrangian, heuristic(1.0)])
    assert (reference.solver, reference.closed, reference.level) == ("lagrangian", True, "claimed")
    with pytest.raises(ContradictionError, match="above the bound of 1 s that lagrangian claims"):
        reference_of([lagrangian, heuristic(1.1)])


def test_a_bound_of_a_solver_that_is_not_exact_proves_and_contradicts_nothing():
    reference = reference_of([heuristic(0.5, bound=0.5), heuristic(0.6), run("highs", 0.6, 0.7)])
    assert (reference.bound_saving_s, reference.closed) == (0.7, False)


# References solved before

INSTANCE = tiny_instance("single")
BEST = best_placement(INSTANCE, 1000)
WORTH = evaluate(INSTANCE, BEST)
MACHINE = {"machine_id": "m1", "processor": "another one"}


def planned(**changes):
    row = {"instance_hash": INSTANCE.sha256, "solver": "milp", "code_version": "v1", "time_limit_s": 10.0}
    return row | changes


def solved(*, termination="optimal", bound=WORTH.saving_s, placement=BEST):
    return {
        "termination": termination, "bound_saving_s": bound, "runtime_s": 1.5, "cpu_s": 1.4,
        "peak_memory_mb": 100.0, "figures": '{"nodes": 3}', "load_before": 0.5,
        "placement": PackedPlacement.pack(placement).bits,
    }  # fmt: skip


@pytest.fixture
def cache(tmp_path):
    with ReferenceCache(tmp_path) as cache:
        yield cache


def test_a_solve_is_found_again_by_every_run_folder_beside_it(cache, tmp_path):
    assert cache.find(planned(), INSTANCE) is None
    cache.keep(planned(), solved(), MACHINE)
    with ReferenceCache(tmp_path) as later:
        found, machine = later.find(planned(), INSTANCE)
    assert machine == MACHINE
    assert found["message"].startswith("solved 2")
    assert {key: found[key] for key in solved()} == solved()
    assert (found["status"], found["saving_s"], found["latency_s"], found["latency_none_s"]) == (
        "ok", WORTH.saving_s, WORTH.latency_s, WORTH.latency_none_s,
    )  # fmt: skip


def test_a_saving_is_evaluated_anew_and_never_read_back(cache):
    cache.keep(planned(), solved() | {"saving_s": 123.0}, MACHINE)
    assert cache.find(planned(), INSTANCE)[0]["saving_s"] == WORTH.saving_s


@pytest.mark.parametrize(
    "change", [{"instance_hash": "other"}, {"solver": "milp[backend=scip]"}, {"code_version": "v2"}]
)
def test_a_solve_of_another_instance_or_call_or_by_other_code_is_not_reused(cache, change):
    cache.keep(planned(), solved(), MACHINE)
    assert cache.find(planned(**change), INSTANCE) is None


def test_an_unproven_solve_counts_only_for_limits_that_are_no_larger(cache):
    cache.keep(planned(), solved(termination="feasible", bound=1.0), MACHINE)
    assert cache.find(planned(time_limit_s=10.0), INSTANCE) is not None
    assert cache.find(planned(time_limit_s=5.0), INSTANCE) is not None
    assert cache.find(planned(time_limit_s=10.1), INSTANCE) is None


def test_a_proof_counts_for_every_limit(cache):
    cache.keep(planned(), solved(), MACHINE)
    assert cache.find(planned(time_limit_s=1e6), INSTANCE) is not None


def test_a_later_solve_replaces_an_earlier_one(cache):
    cache.keep(planned(), solved(termination="feasible", bound=1.0), MACHINE)
    cache.keep(planned(time_limit_s=20.0), solved(bound=WORTH.saving_s), MACHINE)
    assert cache.find(planned(time_limit_s=20.0), INSTANCE)[0]["bound_saving_s"] == WORTH.saving_s


def test_a_stored_placement_that_does_not_fit_is_not_reused(cache):
    full = Placement(np.ones(BEST.holds.shape, np.bool_))
    cache.keep(planned(), solved(placement=full), MACHINE)
    assert cache.find(planned(), INSTANCE) is None


def test_quarantine_forgets_every_solve_of_an_instance_and_no_other(cache):
    cache.keep(planned(), solved(), MACHINE)
    cache.keep(planned(solver="milp[backend=scip]", library="ortools"), solved(), MACHINE)
    cache.keep(planned(instance_hash="other"), solved(), MACHINE)
    cache.quarantine(INSTANCE.sha256)
    assert cache.find(planned(), INSTANCE) is None
    assert cache.find(planned(solver="milp[backend=scip]", library="ortools"), INSTANCE) is None
    assert cache.find(planned(instance_hash="other"), INSTANCE) is not None


# No use as a cache


def test_a_row_that_is_damaged_or_of_an_earlier_version_is_solved_again(cache, tmp_path):
    cache.keep(planned(), solved(), MACHINE)
    for change in (
        "result = '{'", "result = x'00'", "result = '{}'", "placement = 'x'", "placement = x''",
        "placement = NULL", "result = replace(result, 'machine_id', 'x')",
        "result = replace(result, '{\\\"nodes', '[')", "result = replace(result, '\"machine\"', '\"x\"')",
    ):  # fmt: skip
        shutil.copy(tmp_path / FILE_NAME, tmp_path / "kept")
        with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection, connection:
            assert connection.execute(f"UPDATE solves SET {change}").rowcount == 1
        with ReferenceCache(tmp_path) as later:
            assert later.find(planned(), INSTANCE) is None, change
        shutil.copy(tmp_path / "kept", tmp_path / FILE_NAME)
    assert cache.find(planned(), INSTANCE) is not None


def folder_in_its_place(path):
    path.mkdir()


def no_database(path):
    path.write_bytes(b"no database\n" * 100)


def another_table(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE solves (notes)")


@pytest.mark.parametrize("spoil", [folder_in_its_place, no_database, another_table])
def test_a_file_that_is_none_is_warned_of_once_and_gone_without(spoil, tmp_path):
    spoil(tmp_path / FILE_NAME)
    with (
        pytest.warns(RuntimeWarning, match=f"{tmp_path / FILE_NAME}: ") as warned,
        ReferenceCache(tmp_path) as cache,
    ):
        assert_no_use(cache)
    assert len(warned) == 1
    assert str(warned[0].message).endswith("; the run goes on without these references")


def test_a_locked_file_is_warned_of_once_and_gone_without(tmp_path, monkeypatch):
    monkeypatch.setattr(reference_cache, "PATIENCE_S", 0)
    ReferenceCache(tmp_path).__exit__(None, None, None)
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with (
            pytest.warns(RuntimeWarning, match="database is locked") as warned,
            ReferenceCache(tmp_path) as cache,
        ):
            assert_no_use(cache)
    assert len(warned) == 1


def test_a_folder_that_may_only_be_read_gives_what_it_has_and_keeps_nothing(tmp_path):
    with ReferenceCache(tmp_path) as cache:
        cache.keep(planned(), solved(), MACHINE)
    with (
        read_only(tmp_path),
        pytest.warns(RuntimeWarning, match="readonly database") as warned,
        ReferenceCache(tmp_path) as cache,
    ):
        for _ in range(2):
            cache.keep(planned(solver="other"), solved(), MACHINE)
        assert cache.find(planned(), INSTANCE) is not None
    assert len(warned) == 1


def assert_no_use(cache):
    cache.keep(planned(), solved(), MACHINE)
    assert cache.find(planned(), INSTANCE) is None
    cache.quarantine(INSTANCE.sha256)
