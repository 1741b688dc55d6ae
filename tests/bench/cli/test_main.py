"""The command line as a program, what all commands refuse in one line, and exit code 2."""

import json
import subprocess
import sys

import pytest
from command_line import assert_bad_input, one_object
from samples import TWO_CELLS, TWO_CELLS_OPTIMA_S, TWO_CELLS_PLACEMENT

# As a program of its own


def program(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "slimbench.bench.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_as_a_program_it_solves_and_prints_nothing_but_the_object(cells):
    ended = program("solve", cells, "--solver", "milp", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert one_object(ended.stdout)["latency_s"] == pytest.approx(TWO_CELLS_OPTIMA_S["single"], rel=1e-9)


def test_as_a_program_it_ends_with_one_line_and_code_2(cells):
    ended = program("solve", cells, "--solver", "nobody")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(
        "slimbench: solver 'nobody': unknown, expected one of annealing, bounds, brute-force, "
    )
    assert ended.stderr.count("\n") == 1


def test_a_usage_error_is_code_2_too(command):
    for arguments in ([], ["solve"], ["nothing"], ["solvers", "--colour"], ["run", "quick", "--jobs", "0"]):
        ended = command(*arguments)
        assert ended.code == 2
        assert "Traceback" not in ended.err


# Bad input


def test_missing_and_malformed_files_are_one_line(cells, tmp_path, command):
    missing = tmp_path / "missing.json"
    for arguments in (
        ["solve", missing, "-s", "random"],
        ["evaluate", missing, missing],
        ["instance", "show", missing],
    ):
        assert_bad_input(command(*arguments), missing, "No such file")
    assert_bad_input(command("evaluate", cells, missing), missing, "No such file")
    bad = tmp_path / "bad.json"
    for content, words in [
        ("", [bad]),
        ("[1, 2", [bad]),
        (json.dumps(TWO_CELLS | {"dispatch": "both"}), [bad, "dispatch"]),
        (json.dumps(TWO_CELLS | {"version": 2}), [bad, "version"]),
        (json.dumps(TWO_CELLS | {"cloud_latency_s": [[0.1], [-0.1]]}), [bad, "cloud_latency_s"]),
    ]:
        bad.write_text(content)
        assert_bad_input(command("solve", bad, "--solver", "random", "--json"), *words)
    bad.write_text(json.dumps(TWO_CELLS_PLACEMENT | {"experts": {"edge-9": []}}))
    assert_bad_input(command("evaluate", cells, bad), bad, "edge-9")
    assert_bad_input(command("solve", tmp_path, "-s", "random"), tmp_path)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("nobody", ["solver 'nobody': unknown, expected one of annealing, bounds, brute-force"]),
        ("milp[speed=3]", ["parameter 'speed': unknown, expected one of formulation, backend"]),
        ("milp[time_limit=soon]", ["parameter time_limit: is 'soon'"]),
        ("milp[backend=cplex]", ["parameter backend: is 'cplex'"]),
        ("milp[backend", ["expected name or name[parameter=value,...]"]),
        ("", ["expected name or name[parameter=value,...]"]),
    ],
)
def test_a_solver_that_cannot_be_called_is_one_line(cells, command, call, words):
    assert_bad_input(command("solve", cells, "--solver", call), *words)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("raise ValueError('two\\nlines')", "cannot be imported: ValueError: two lines"),
        ("x = (", "cannot be imported: SyntaxError"),
        ("x = 1", "defines no solver"),
    ],
)
def test_a_broken_plugin_is_one_line_with_every_command_that_takes_it(
    cells, tmp_path, command, text, problem
):
    broken = tmp_path / "broken.py"
    broken.write_text(text)
    for arguments in (["solve", cells, "-s", "random"], ["solvers"], ["check", "random"], ["run", "quick"]):
        assert_bad_input(command(*arguments, "--plugin", broken), f"{broken}: {problem}")
    assert not (tmp_path / "runs").exists()


def test_a_missing_plugin_is_one_line(command, tmp_path):
    assert_bad_input(
        command("solvers", "--plugin", tmp_path / "none.py"), tmp_path / "none.py", "is not a file"
    )
