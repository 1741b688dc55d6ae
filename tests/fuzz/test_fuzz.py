"""A short run of the fuzzer over every reader, and proof that it tells of readers at fault."""

from pathlib import Path

import pytest
from fuzz import watch
from fuzz.faulty import faulty_readers
from fuzz.isolation import run_isolated
from fuzz.readers import READERS
from fuzz.watch import Tally, content_of, watched

SEED = 1  # other inputs than those of the long run


def faults_of(name: str, folder: Path, numbers: range = range(1)) -> tuple[list[str], Tally]:
    found: list[str] = []
    tally = watched(
        faulty_readers()[name], name, 0, numbers, folder, lambda _: None, lambda _, fault: found.append(fault)
    )
    return found, tally


@pytest.mark.parametrize(
    ("inputs", "refusals"), [(120, 5), pytest.param(1000, 10, marks=pytest.mark.slow)], ids=["few", "many"]
)
@pytest.mark.parametrize("name", READERS)
def test_a_reader_gives_what_it_read_or_refuses_in_one_line(
    name: str, inputs: int, refusals: int, tmp_path: Path
) -> None:
    faults: list[tuple[int, str]] = []
    tally = watched(
        READERS[name],
        name,
        SEED,
        range(inputs),
        tmp_path,
        lambda _: None,
        lambda *fault: faults.append(fault),
    )
    assert faults == []
    assert tally.inputs == inputs
    assert 0 < tally.accepted < inputs  # neither is everything refused, nor is nothing damaged
    assert len(tally.kinds) > refusals


@pytest.mark.parametrize("name", READERS)
def test_the_same_number_gives_the_same_input(name: str) -> None:
    inputs = [content_of(READERS[name], name, SEED, number) for number in range(20)]
    assert inputs == [content_of(READERS[name], name, SEED, number) for number in range(20)]
    assert len(set(inputs)) > 10


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("foreign", "raises KeyError: 'fuzzed.txt'"),
        ("two-lines", "refuses in something else than one printable line: 'one\\ntwo'"),
        ("warning", "raises DeprecationWarning: deprecated"),
    ],
)
def test_a_reader_at_fault_is_told(name: str, fault: str, tmp_path: Path) -> None:
    found, tally = faults_of(name, tmp_path)
    assert found == [fault]
    assert (tally.inputs, tally.accepted) == (1, 0)


def test_a_slow_or_large_reader_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SLOWEST_S", 0.0)
    assert faults_of("fine", tmp_path)[0][0].startswith("took 0.0 s, expected at most 0 s")
    monkeypatch.setattr(watch, "SLOWEST_S", 100.0)
    peaks = iter([0, 2**40])
    monkeypatch.setattr(watch, "peak_bytes", lambda: next(peaks))
    assert faults_of("fine", tmp_path)[0] == [f"took the process to {2**40} bytes, expected at most {2**31}"]


def test_a_refusal_and_a_reading_are_no_faults(tmp_path: Path) -> None:
    assert faults_of("fine", tmp_path, range(3))[0] == []
    found, tally = faults_of("refusal", tmp_path, range(3))
    assert found == []
    assert (tally.accepted, tally.kinds) == (0, {": has _ bytes"})


@pytest.mark.parametrize(
    ("name", "fault"), [("crash", "ends the process with exit code -6"), ("hang", "hangs for more than 1 s")]
)
def test_a_crash_or_a_hang_costs_one_input(name: str, fault: str) -> None:
    found: list[tuple[int, str]] = []
    tally = run_isolated(faulty_readers, name, 0, range(4), lambda *told: found.append(told), hang_s=1)
    assert found == [(2, fault)]
    assert tally.inputs == 4
