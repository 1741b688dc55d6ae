"""Suites that nobody vouches for: what once was no error of ours, or took hours, is refused in one line."""

from pathlib import Path

import pytest
from suite_text import ENTRY, HEAD

from slimbench.bench.suites.suite import MAX_SUITE_BYTES, SuiteError, read_suite
from slimbench.bench.suites.suite_instances import suite_instances
from slimbench.bench.suites.toml_lines import line_of


def refused(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(SuiteError) as error:
        file = read_suite(str(path))
        list(suite_instances(file.suite, file.folder, None))
    assert str(error.value).isprintable()
    return str(error.value)


@pytest.mark.parametrize(
    "line",
    ["x = " + "[" * 3000 + "]" * 3000, "x = " + "9" * 5000, "x = " + "{ a = " * 2000 + "1" + "}" * 2000],
)
def test_deep_nesting_and_endless_numbers_are_not_toml(line: str, tmp_path: Path) -> None:
    assert "is not TOML: " in refused(tmp_path / "a.toml", f"{line}\n{HEAD}")


def test_a_suite_of_megabytes_is_refused(tmp_path: Path) -> None:
    text = f"# {'x' * MAX_SUITE_BYTES}\n{HEAD}[[instances]]\n{ENTRY}"
    assert f"has more than {MAX_SUITE_BYTES} bytes" in refused(tmp_path / "a.toml", text)


@pytest.mark.parametrize("pattern", ["a\\u0000.json", "a/" * 5000, "x" * 5000, "**/" * 3000 + "a"])
def test_a_pattern_that_no_file_can_match_matches_nothing(pattern: str, tmp_path: Path) -> None:
    message = refused(tmp_path / "a.toml", f'{HEAD}[[instances]]\nfile = "{pattern}"\n')
    assert "instances[0].file: nothing matches " in message
    assert len(message) < 1000 + 2 * len(str(tmp_path))


def test_a_line_of_blanks_is_looked_at_once(tmp_path: Path) -> None:
    blanks = " " * 10**5  # would take hours if each way to divide them were tried
    assert line_of(f"[{blanks}\n[limits{blanks}]\n{blanks}time_s{blanks}= 1\n", "limits.time_s") == 3


@pytest.mark.parametrize(
    "line", [f"{'a' * 5000} = 1", ".".join("a" * 5000) + " = 1\n" + ".".join("a" * 5000) + " = 2"]
)
def test_a_message_quotes_a_long_key_in_part(line: str, tmp_path: Path) -> None:
    message = refused(tmp_path / "a.toml", f"{HEAD}{line}\n[[instances]]\n{ENTRY}")
    assert len(message) < 1000 + len(str(tmp_path))


def test_a_message_writes_out_what_cannot_be_seen(tmp_path: Path) -> None:
    message = refused(tmp_path / "a.toml", f'{HEAD}"\\u0000\\n" = 1\n[[instances]]\n{ENTRY}')
    assert message.endswith(r"unknown field \x00\n")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("repeats = 1000000000000", "repeats: Expected int <= 10000"),
        ("[limits]\ntime_s = inf", "limits.time_s: Expected float <= "),
        ("[reference]\ntime_s = inf", "reference.time_s: Expected float <= "),
    ],
)
def test_a_run_without_end_is_refused(line: str, problem: str, tmp_path: Path) -> None:
    assert problem in refused(tmp_path / "a.toml", f"{HEAD}{line}\n[[instances]]\n{ENTRY}")
