"""Options of ``run``: what is printed, what is written, what is refused."""

import re
import tomllib
from pathlib import Path

import jsonschema
import pytest
from command_line import assert_bad_input
from typer import BadParameter

from slimbench.bench import load_results
from slimbench.bench.cli.run import duration_s
from slimbench.bench.suites.schema import suite_schema
from slimbench.bench.suites.suite import read_suite, read_suite_of, shipped_suites

pytestmark = pytest.mark.usefixtures("unreported")
REFERENCE = "[reference]\nsolver = 'brute-force'\n"
SCHEMA = Path(__file__).parents[3] / "docs" / "suite.schema.json"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1.5", 1.5), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("2h", 7200)]
)
def test_durations_are_read_as_people_write_them(text, seconds):
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-3", "soon", "nan", "inf", "10 parsecs"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(BadParameter, match="is no duration, expected such as 90, 10m or 1h30m"):
        duration_s(text)


def test_a_dry_run_says_what_would_run_and_for_how_long_and_writes_nothing(
    write_suite, tmp_path, command, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    suite = write_suite(tmp_path, ["popularity", "slim-dp"], more=f"repeats = 3\n{REFERENCE}")
    before = sorted(tmp_path.rglob("*"))
    dry = command("run", suite, "--dry-run", "--timeout", "10s", "-j", 2)
    assert (dry.code, dry.err) == (0, "")
    assert sorted(tmp_path.rglob("*")) == before
    for line in ("     6  measure  popularity", "     6  measure  slim-dp", "     2  reference  brute-force"):
        assert line in dry.out.splitlines()
    assert "16 runs on 2 instances, 2 at a time" in dry.out
    assert "at most 3 min 0 s by their limits" in dry.out  # (12 * 10 s + 4 * 60 s) / 2
    assert "about" not in dry.out
    assert command("run", suite, "--quiet").code == 0
    again = command("run", suite, "--dry-run")
    assert "about 0 min 0 s: 16 of them took part in earlier runs" in again.out


def test_options_choose_and_change(write_suite, tmp_path, command):
    suite, out = write_suite(tmp_path, ["popularity"], more=REFERENCE), tmp_path / "run"
    ended = command(
        "run", suite, "--output", out, "-s", "random", "-s", "slim-dp", "-d", "two-*", "-k", "not dp",
        "-r", 2, "--timeout", "2m", "--seed", 5, "--executor", "serial",
    )  # fmt: skip
    assert ended.code == 0
    results = load_results(out)
    assert list(results.instances["instance"]) == ["two-cells"]
    assert list(results.runs["solver"]) == ["random", "random"]
    assert list(results.runs["time_limit_s"]) == [120.0, 120.0]
    assert results.provenance["seed"] == "5"


def test_a_part_can_be_run_first_and_the_rest_later(write_suite, tmp_path, command):
    suite, out = write_suite(tmp_path, ["popularity", "random"], more=REFERENCE), tmp_path / "run"
    assert command("run", suite, "--out", out, "-k", "popularity").code == 0
    first = load_results(out).runs
    assert command("run", suite, "--out", out, "--resume").code == 0
    both = load_results(out).runs
    assert sorted(both["solver"]) == ["popularity", "popularity", "random", "random"]
    kept = both[both["solver"] == "popularity"]
    assert list(kept["runtime_s"]) == list(first["runtime_s"])
    ended = command("run", suite, "--out", out, "--resume", "-k", "random", "-f", "random")
    assert ended.code == 0
    again = load_results(out).runs
    assert list(again[again["solver"] == "popularity"]["runtime_s"]) == list(first["runtime_s"])
    assert len(again) == 4


def test_quiet_prints_nothing_and_verbose_a_line_for_every_run(write_suite, tmp_path, command):
    suite = write_suite(tmp_path, ["popularity"], more=REFERENCE)
    quiet = command("run", suite, "--out", tmp_path / "quiet", "-q")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    assert (tmp_path / "quiet" / "report.html").is_file()
    verbose = command("run", suite, "--out", tmp_path / "verbose", "-v")
    lines = [line for line in verbose.err.splitlines() if re.search(r"popularity ok .* s$", line)]
    assert len(lines) == 2
    assert "\x1b[" not in verbose.out + verbose.err  # piped: no colours


def test_what_cannot_be_is_one_line_and_writes_nothing(write_suite, tmp_path, command):
    suite, out = write_suite(tmp_path, ["popularity"], more=REFERENCE), tmp_path / "run"
    for options, words in (
        (["-s", "nobody"], ["solver 'nobody': unknown"]),
        (["-k", "a b"], ["expected words, and, or, not, brackets"]),
        (["-d", "none-*"], ["nothing is selected"]),
        (["--executor", "threads"], ["executor 'threads': expected one of processes, serial, dask"]),
        (["--executor", "dask"], ["goes with --scheduler"]),
    ):
        ended = command("run", suite, "--out", out, *options)
        assert_bad_input(ended, *words)
        assert not out.exists()


def test_errors_of_a_suite_name_line_and_key(write_suite, tmp_path, command):
    suite = write_suite(tmp_path, ["popularity", "nobody"], more="[limits]\ntime_s = 0\n")
    assert_bad_input(command("run", suite), suite, "line 4: limits.time_s: Expected float > 0.0")
    suite = write_suite(tmp_path, ["popularity", "nobody"])
    assert_bad_input(command("run", suite), suite, "line 2: solvers: solver 'nobody': unknown")
    suite = write_suite(tmp_path, ["popularity"], more='[[instances]]\nname = "x"\ndispatch = "both"\n')
    assert_bad_input(command("run", suite), suite, "line 5: instances[0].dispatch: ")


@pytest.mark.parametrize("name", ["run", "solve", "check", "attack", "report", "compare", "merge", "export"])
def test_every_command_shows_examples(name, command):
    ended = command(name, "--help")
    assert ended.code == 0
    assert re.search(rf"slimbench\s+{name}\s", ended.out.split("Example", 1)[1])


@pytest.mark.parametrize(
    ("words", "place", "expected"),
    [("slimbench run qui", 2, "quick"), ("slimbench run quick -s slim-m", 4, "slim-maxconv")],
)
def test_completion_knows_suites_and_solvers(words, place, expected, monkeypatch, command):
    for name, value in (
        ("_SLIMBENCH_COMPLETE", "complete_bash"),
        ("COMP_WORDS", words),
        ("COMP_CWORD", str(place)),
    ):
        monkeypatch.setenv(name, value)
    assert expected in command().out.split()


def test_the_published_schema_is_that_of_the_code(command):
    assert command("schema").out == SCHEMA.read_text()


@pytest.mark.parametrize("name", shipped_suites())
def test_shipped_suites_are_of_the_schema(name):
    jsonschema.validate(tomllib.loads(read_suite_of(dict, name).text), suite_schema())


def test_a_scenario_with_parts_of_tables_is_of_the_schema():
    entry = {
        "scenario": "highway",
        "seed": [1, 2],
        "network": {"layout": {"spacing_m": 50}},
        "without": ["lns"],
    }
    jsonschema.validate(tomllib.loads(read_suite("hard").text) | {"instances": [entry]}, suite_schema())


@pytest.mark.parametrize(
    "change",
    [
        {"solvers": []},
        {"repeat": 3},
        {"limits": {"time_s": 0}},
        {"instances": [{"file": "a", "seed": 1}]},
        {"instances": [{"scenario": "moon"}]},
        {"instances": [{"scenario": "highway", "colour": "red"}]},
    ],
)
def test_what_the_reader_refuses_is_not_of_the_schema(change):
    suite = tomllib.loads(read_suite("hard").text) | change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(suite, suite_schema())


@pytest.mark.parametrize(
    ("change", "is_valid"),
    [
        ({}, True),
        ({"sequences": [{"scenario": "metro-ring", "seed": [1, 2], "periods": 2, "mobility": {}}]}, True),
        ({"sequences": []}, False),
        ({"sequences": [{"scenario": "metro-ring", "period": 2}]}, False),
        ({"sequences": [{"library": "small/*"}]}, False),
        ({"solvers": ["slim-dp"]}, False),
        ({"reference": {"solver": "exact"}}, False),
    ],
)
def test_suites_of_sequences_have_a_schema_too(change, is_valid):
    suite = tomllib.loads(read_suite_of(dict, "adaptive").text) | change
    assert jsonschema.Draft202012Validator(suite_schema()).is_valid(suite) == is_valid
