"""A run folder checked once more from its files alone: whatever was changed in it is found."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from slimbench.bench.execution.verification import verify_run
from slimbench.instances import InstanceError, read_instance, write_instance


@pytest.fixture(scope="module")
def original(tmp_path_factory, write_suite, run_suite):
    folder = tmp_path_factory.mktemp("verified")
    more = "[reference]\nsolver = 'brute-force'\n"
    run_suite(write_suite(folder, ["popularity", "slim-dp"], more=more), folder / "run")
    return folder / "run"


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "run")


def tamper(folder, statement, *arguments):
    with closing(sqlite3.connect(folder / "results.sqlite")) as connection, connection:
        assert connection.execute(statement, arguments).rowcount >= 1


SOME_RUN = (
    "WHERE solver = 'slim-dp'"
    " AND instance_hash = (SELECT instance_hash FROM instances WHERE instance = 'two-cells')"
)


def test_a_fresh_run_verifies(original):
    assert verify_run(original) == []


@pytest.mark.parametrize("column", ["saving_s", "latency_s", "latency_none_s"])
@pytest.mark.parametrize("factor", [1 + 1e-9, 0.5])
def test_a_changed_figure_is_found(folder, column, factor):
    tamper(folder, f"UPDATE runs SET {column} = {column} * ? {SOME_RUN}", factor)
    (fault,) = verify_run(folder)
    assert "(slim-dp): " in fault
    assert f"{column} is stored as " in fault


def test_a_removed_figure_is_found(folder):
    tamper(folder, f"UPDATE runs SET saving_s = NULL {SOME_RUN}")
    (fault,) = verify_run(folder)
    assert "saving_s is stored as None, its placement gives 0." in fault


def test_a_changed_placement_is_found(folder):
    tamper(folder, f"UPDATE runs SET placement = zeroblob(length(placement)) {SOME_RUN}")
    (fault,) = verify_run(folder)
    assert "is stored as " in fault


def test_a_placement_that_does_not_fit_is_found(folder):
    tamper(folder, f"UPDATE runs SET placement = x'ff' {SOME_RUN}")
    (fault,) = verify_run(folder)
    assert fault.startswith("two-cells: run ")
    assert fault.endswith("server edge-0 holds 3 bytes, expected at most 2")


def test_a_placement_of_another_size_is_found(folder):
    tamper(folder, f"UPDATE runs SET placement = x'0000' {SOME_RUN}")
    (fault,) = verify_run(folder)
    assert fault.endswith("placement: has 2 bytes, expected (2, 3) bits")


def test_a_figure_without_a_placement_is_found(folder):
    tamper(folder, f"UPDATE runs SET placement = NULL {SOME_RUN}")
    tamper(folder, "UPDATE runs SET placement = NULL, status = 'error' WHERE solver = 'popularity'")
    faults = verify_run(folder)
    assert len(faults) == 3
    assert sum("status ok, " in fault for fault in faults) == 1
    assert sum("status error, " in fault for fault in faults) == 2


def test_an_exchanged_instance_file_is_found(folder):
    first, second = sorted((folder / "instances").iterdir())
    shutil.copy(first, second)
    (fault,) = verify_run(folder)
    assert fault.endswith(f"instances/{second.name} is not the instance that was run")


def test_an_instance_changed_by_one_bit_of_a_rate_is_found(folder):
    path = sorted((folder / "instances").iterdir())[0]
    instance = read_instance(path)
    rates = instance.rates.copy()
    rates[0] *= 1 + 1e-15
    assert rates[0] != instance.rates[0]
    object.__setattr__(instance, "rates", rates)
    write_instance(instance, path)
    (fault,) = verify_run(folder)
    assert "is not the instance that was run" in fault


def test_a_missing_or_broken_instance_file_is_bad_input(folder):
    path = sorted((folder / "instances").iterdir())[0]
    path.write_bytes(b"broken")
    with pytest.raises(InstanceError, match=path.name):
        verify_run(folder)
    path.unlink()
    with pytest.raises(InstanceError, match=path.name):
        verify_run(folder)


def test_a_reference_below_a_placement_is_found(folder):
    tamper(folder, "UPDATE runs SET bound_saving_s = bound_saving_s * 0.99 WHERE role = 'reference'")
    faults = verify_run(folder)
    assert len(faults) == 2
    for fault, name in zip(faults, ["two-cells", "random-1"], strict=True):
        assert fault.startswith(f"{name}: ")
        assert fault.endswith("that brute-force claims")


def test_a_run_half_finished_verifies_as_far_as_it_is(folder):
    tamper(folder, f"UPDATE runs SET status = 'planned', saving_s = 7.0 {SOME_RUN}")
    assert verify_run(folder) == []


def test_every_fault_is_a_line_of_its_own(folder):
    tamper(folder, "UPDATE runs SET saving_s = saving_s + 1 WHERE role = 'measure'")
    faults = verify_run(folder)
    assert len([fault for fault in faults if "is stored as" in fault]) == 4
    assert not any("\n" in fault for fault in faults)
