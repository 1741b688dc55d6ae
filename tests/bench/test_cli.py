"""The command line: what it prints, and its exit codes 0, 1, 2 and 4."""

import json
import math
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from oracles import brute_force
from samples import TWO_CELLS, TWO_CELLS_OPTIMA_S, TWO_CELLS_PLACEMENT, random_instance

from slimbench.instances import read_instance, write_instance

EMPTY = "return Placement.empty(instance)"
FULL = "np.ones((instance.n_servers, instance.n_experts), bool)"
SOLVE_FIELDS = {
    "solver", "status", "termination", "latency_s", "latency_none_s", "saving_s", "bound_saving_s",
    "runtime_s",
}  # fmt: skip
REFERENCE = "[reference]\nsolver = 'brute-force'\n"


@pytest.fixture
def cells(tmp_path):
    """Return the file of the example of docs/FILES.md."""
    path = tmp_path / "cells.json"
    path.write_text(json.dumps(TWO_CELLS))
    return path


def one_object(text):
    """The one JSON object that a command printed, read strictly, and nothing else."""
    value, end = json.JSONDecoder(parse_constant=pytest.fail).raw_decode(text)
    assert text[end:] == "\n"
    return value


def assert_bad_input(ended, *words):
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("slimbench: ")
    assert ended.err.count("\n") == 1
    for word in words:
        assert str(word) in ended.err


# As a program of its own


def program(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "slimbench.bench.cli", *map(str, arguments)],
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
        "slimbench: solver 'nobody': unknown, expected one of bounds, brute-force, "
    )
    assert ended.stderr.count("\n") == 1


def test_a_usage_error_is_code_2_too(command):
    for arguments in ([], ["solve"], ["nothing"], ["solvers", "--colour"], ["run", "quick", "--jobs", "0"]):
        ended = command(*arguments)
        assert ended.code == 2
        assert "Traceback" not in ended.err


# solve and evaluate


@pytest.mark.parametrize("name", ["check", "attack"])
def test_help_shows_how_parameters_are_given(name, command):
    assert "[parameter=value,...]" in command(name, "--help").out


@pytest.mark.parametrize(
    ("solver", "dispatch"),
    [
        ("milp", "single"),
        ("milp[formulation=destination,backend=scip]", "single"),
        ("milp[formulation=radius,backend=cbc]", "parallel"),
        ("milp[formulation=assignment,backend=cp-sat]", "serial"),
        ("brute-force", "parallel"),
    ],
)
def test_exact_solvers_find_the_optimum_of_the_documented_example(cells, tmp_path, command, solver, dispatch):
    cells.write_text(json.dumps(TWO_CELLS | {"dispatch": dispatch}))
    ended = command("solve", cells, "--solver", solver, "--json")
    result = one_object(ended.out)
    assert ended.code == 0
    assert result.keys() >= SOLVE_FIELDS
    assert (result["status"], result["termination"]) == ("ok", "optimal")
    assert result["latency_s"] == pytest.approx(TWO_CELLS_OPTIMA_S[dispatch], rel=1e-9)
    assert result["latency_none_s"] == pytest.approx(0.2 if dispatch == "serial" else 0.11, rel=1e-9)
    assert result["saving_s"] == pytest.approx(result["latency_none_s"] - result["latency_s"], rel=1e-9)
    assert result["bound_saving_s"] == pytest.approx(result["saving_s"], rel=1e-6)
    assert result["runtime_s"] > 0


def test_a_heuristic_is_feasible_without_a_bound_and_its_label_is_canonical(cells, command):
    result = one_object(command("solve", cells, "-s", "slim-greedy[ enumerate = 0 ]", "--json").out)
    assert (result["solver"], result["termination"]) == ("slim-greedy", "feasible")
    assert result["bound_saving_s"] is None


@pytest.mark.parametrize(
    ("dispatch", "suffix"), [("single", ".json"), ("parallel", ".json.gz"), ("serial", ".npz")]
)
def test_evaluate_gives_the_figures_that_solve_gave(tmp_path, command, dispatch, suffix):
    instance = random_instance(
        4, dispatch=dispatch, servers=2, models=2, equal_sizes=False, experts=4, base=0.25
    )
    file, out = tmp_path / f"instance{suffix}", tmp_path / "placement.json"
    write_instance(instance, file)
    solved = one_object(command("solve", file, "--solver", "local-search", "--json", "--out", out).out)
    ended = command("evaluate", file, out, "--json")
    worth = one_object(ended.out)
    assert ended.code == 0
    assert worth["feasible"] is True
    for figure in ("latency_s", "latency_none_s", "saving_s"):
        assert worth[figure] == solved[figure]
    assert 0 < worth["saving_s"] <= brute_force(instance)[0] * (1 + 1e-9)


def test_a_seed_repeats_a_run(cells, tmp_path, command):
    files = [tmp_path / f"{i}.json" for i in range(2)]
    for file in files:
        assert command("solve", cells, "-s", "random", "--seed", 3, "--out", file).code == 0
    assert files[0].read_bytes() == files[1].read_bytes()


def test_without_json_facts_are_lines(cells, command):
    ended = command("solve", cells, "--solver", "popularity")
    facts = dict(line.split(maxsplit=1) for line in ended.out.splitlines() if len(line.split()) > 1)
    assert (facts["instance"], facts["solver"], facts["status"]) == ("two-cells", "popularity", "ok")


def test_a_placement_that_does_not_fit_is_evaluated_told_and_code_1(cells, tmp_path, command):
    full = TWO_CELLS_PLACEMENT | {"experts": {"edge-1": [[0, 0, 0], [0, 0, 1], [0, 0, 2]]}}
    (tmp_path / "full.json").write_text(json.dumps(full))
    ended = command("evaluate", cells, tmp_path / "full.json", "--json")
    worth = one_object(ended.out)
    assert (ended.code, worth["feasible"]) == (1, False)
    assert worth["violation"] == "server edge-1 holds 3 bytes, expected at most 1"
    assert worth["saving_s"] == pytest.approx(0.7 * (0.10 - 0.03))


def test_the_documented_placement_is_worth_what_is_documented(cells, tmp_path, command):
    (tmp_path / "placement.json").write_text(json.dumps(TWO_CELLS_PLACEMENT))
    worth = one_object(command("evaluate", cells, tmp_path / "placement.json", "--json").out)
    assert worth["latency_s"] == pytest.approx(0.051)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("while True: pass", "time_limit"),
        ("os._exit(0)", "crashed"),
        ("raise ValueError('no')", "error"),
        (f"return Placement({FULL})", "invalid_placement"),
        ("raise NoSolutionError('none')", "no_solution"),
        ("raise MemoryError", "memory_limit"),
    ],
)
def test_a_run_that_fails_is_still_one_object_and_code_1(cells, tmp_path, plugin, command, body, status):
    out = tmp_path / "placement.json"
    ended = command(
        "solve",
        cells,
        "--solver",
        "bad",
        "--plugin",
        plugin("bad", body),
        "--time-limit",
        0.3,
        "--json",
        "--out",
        out,
    )
    result = one_object(ended.out)
    assert ended.code == 1
    assert result.keys() >= SOLVE_FIELDS
    assert (result["status"], result["termination"], result["saving_s"]) == (status, "none", None)
    assert result["message"]
    assert not out.exists()


def test_the_log_of_a_run_that_fails_goes_to_stderr(cells, plugin, command):
    bad = plugin("bad", "print('almost there', flush=True)\nraise ValueError('no')")
    ended = command("solve", cells, "--solver", "bad", "--plugin", bad, "--json")
    assert "almost there" in ended.err
    assert "plugin_bad.py" in ended.err
    assert one_object(ended.out)["message"] == "ValueError: no"


def test_what_a_plugin_prints_does_not_reach_the_object(cells, plugin, command):
    loud = plugin("loud", f"print('{{}}')\nos.write(1, b'noise')\n{EMPTY}")
    assert one_object(command("solve", cells, "-s", "loud", "--plugin", loud, "--json").out)["status"] == "ok"


def test_bounds_and_figures_that_are_no_numbers_leave_the_object_json(cells, plugin, command):
    odd = plugin("odd", f"context.report(None, float('inf'))\ncontext.record(gap=float('nan'))\n{EMPTY}")
    result = one_object(command("solve", cells, "-s", "odd", "--plugin", odd, "--json").out)
    assert (result["bound_saving_s"], result["figures"]) == (None, {"gap": "nan"})


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
        ("nobody", ["solver 'nobody': unknown, expected one of bounds, brute-force"]),
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


def test_a_bad_suite_is_one_line_and_makes_no_folder(write_suite, tmp_path, command):
    out = tmp_path / "run"
    assert_bad_input(command("run", "no-such-suite", "--out", out), "no-such-suite: No such file")
    suite = write_suite(tmp_path, ["random"], more="repeats = 0\n")
    assert_bad_input(command("run", suite, "--out", out), suite, "repeats")
    suite = write_suite(tmp_path, ["nobody"])
    assert_bad_input(command("run", suite, "--out", out), "solver 'nobody': unknown")
    (tmp_path / "a.json").unlink()
    suite = write_suite(tmp_path, ["random"])
    (tmp_path / "a.json").write_text("{}")
    assert_bad_input(command("run", suite, "--out", out), tmp_path / "a.json")
    assert not out.exists()


@pytest.mark.parametrize("verb", ["report", "verify"])
def test_a_folder_that_is_no_run_is_one_line(verb, tmp_path, command):
    assert_bad_input(command(verb, tmp_path), tmp_path, "has no results.sqlite, expected the folder of a run")
    assert_bad_input(command(verb, tmp_path / "none"), tmp_path / "none")
    (tmp_path / "results.sqlite").write_text("not a database, but long enough to be read as one" * 10)
    assert_bad_input(command(verb, tmp_path), "is not a results file")


def test_a_file_in_place_of_the_run_folder_is_one_line(write_suite, tmp_path, command):
    file = tmp_path / "file"
    file.touch()
    assert_bad_input(command("run", write_suite(tmp_path, ["random"]), "--out", file), file)


# run, report, verify


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory, write_suite, run_suite):
    folder = tmp_path_factory.mktemp("finished")
    run_suite(write_suite(folder, ["popularity", "slim-dp"], more=REFERENCE), folder / "run")
    return folder / "run"


def test_run_ends_with_the_ratio_table_and_where_the_report_lies(write_suite, tmp_path, command):
    suite, out = write_suite(tmp_path, ["popularity", "milp"], more=REFERENCE), tmp_path / "run"
    ended = command("run", suite, "--out", out, "--jobs", 1)
    assert ended.code == 0
    assert "popularity" in ended.out
    assert "2 / 2" in ended.out
    assert ended.out.splitlines()[-1] == f"report: {out / 'report.html'}"
    assert (out / "report.html").is_file()
    assert (out / "report.md").is_file()
    again = command("run", suite, "--out", out)
    assert_bad_input(again, out, "has results already, expected --resume or another folder")


def test_code_1_when_a_run_failed_and_4_when_nothing_was_measured(write_suite, tmp_path, plugin, command):
    crash = plugin("crash", "os._exit(3)")
    for solvers, code in ((["crash", "popularity"], 1), (["crash"], 4)):
        suite, out = write_suite(tmp_path, solvers, more=REFERENCE), tmp_path / f"run{code}"
        ended = command("run", suite, "--out", out, "--plugin", crash, "--jobs", 1)
        assert ended.code == code
        assert "0 / 2" in ended.out
        assert "Traceback" not in ended.err
        assert command("verify", out).code == 0


def test_a_reference_that_fails_is_named_and_fails_the_run(write_suite, tmp_path, plugin, command):
    broken = plugin("broken", "raise ValueError('no licence')", options="exact=True")
    more = '[reference]\nsolver = "milp"\ncross_check = ["broken"]\n'
    suite = write_suite(tmp_path, ["popularity"], more=more)
    ended = command("run", suite, "--out", tmp_path / "run", "--plugin", broken, "--jobs", 1)
    assert ended.code == 1
    assert "two-cells: cross-check broken: error: ValueError: no licence" in ended.err
    assert "2 / 2" in ended.out


def test_words_of_a_plugin_are_shown_as_they_stand(plugin, command):
    odd = plugin("odd", "return Placement.empty(instance)", parameters="mark: str = '[/b]'")
    ended = command("solvers", "--plugin", odd)
    assert ended.code == 0
    assert "mark=[/b]" in ended.out


def test_report_is_written_anew(finished_run, tmp_path, command):
    folder = shutil.copytree(finished_run, tmp_path / "run")
    ended = command("report", folder)
    assert ended.code == 0
    assert (folder / "report.html").read_text().startswith("<!")
    assert "slim-dp" in ended.out


def test_verify_says_so_or_names_each_fault(finished_run, tmp_path, command):
    folder = shutil.copytree(finished_run, tmp_path / "run")
    good = command("verify", folder)
    assert (good.code, good.out) == (0, f"{folder}: every placement and reference verifies\n")
    with closing(sqlite3.connect(folder / "results.sqlite")) as connection, connection:
        connection.execute("UPDATE runs SET saving_s = saving_s / 2 WHERE solver = 'slim-dp'")
    bad = command("verify", folder)
    assert bad.code == 1
    assert len(bad.out.splitlines()) == 2
    assert all("(slim-dp): saving_s is stored as " in line for line in bad.out.splitlines())


# solvers


def test_solvers_lists_parameters_and_guarantees(plugin, command):
    options = "guarantee=Guarantee('0.1', 'always', 'a theorem', lambda *_: 0.1)"
    mine = plugin("mine", EMPTY, options=options, parameters="depth: int = 2, limit: float | None = None")
    rows = {row["solver"]: row for row in json.loads(command("solvers", "--plugin", mine, "--json").out)}
    assert rows["mine"] == {
        "solver": "mine", "parameters": {"depth": 2, "limit": None}, "guarantee": "0.1",
        "conditions": "always", "source": "a theorem", "exact": False, "summary": "Written by a test.",
    }  # fmt: skip
    assert rows["milp"]["exact"] is True
    assert rows["slim-dp"]["guarantee"]
    assert rows["slim-dp"]["source"]
    assert "mine" in command("solvers", "--plugin", mine).out


# instance


def test_a_new_instance_is_what_was_asked_for_and_the_same_every_time(tmp_path, command):
    files = [tmp_path / "cells.json.gz", tmp_path / "twice" / "cells.json.gz"]
    files[1].parent.mkdir()
    settings = [
        "models=switch-base-8",
        "layers=2",
        "dispatch=serial",
        "network.servers=3",
        "network.users=4",
        "seed=5",
    ]
    for file in files:
        ended = command("instance", "new", file, *(part for s in settings for part in ("--set", s)))
        assert ended.code == 0
        assert str(file) in ended.out
    assert files[0].read_bytes() == files[1].read_bytes()
    instance = read_instance(files[0])
    assert (instance.name, instance.dispatch, instance.n_servers, instance.n_users) == (
        "cells",
        "serial",
        3,
        4,
    )
    assert (instance.models[0].name, instance.models[0].layers) == ("switch-base-8", 2)
    assert command("solve", files[0], "--solver", "slim-dp").code == 0


def test_several_models_are_a_list(tmp_path, command):
    file = tmp_path / "two.npz"
    models = 'models=["switch-base-8", "moe-llava-phi2-2.7b-4e"]'
    assert command("instance", "new", file, "--set", models, "--set", "layers=1").code == 0
    assert [model.name for model in read_instance(file).models] == ["switch-base-8", "moe-llava-phi2-2.7b-4e"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ([], ["models"]),
        (["models"], ["--set: is 'models', expected key=value"]),
        (["models=gpt-9"], ["models[0]", "gpt-9"]),
        (["models=switch-base-8", "layers=many"], ["layers"]),
        (["models=switch-base-8", "network.servers=0"], ["network.servers"]),
        (["models=switch-base-8", "network.colour=1"], ["network", "colour"]),
        (["models=switch-base-8", "dispatch=both"], ["dispatch"]),
        (
            ["models=switch-base-8", "layers=1", "layers.deep=1"],
            ["--set: is 'layers.deep=1', but layers has no fields"],
        ),
    ],
)
def test_a_setting_that_does_not_fit_is_one_line(tmp_path, command, settings, words):
    file = tmp_path / "new.json"
    assert_bad_input(
        command("instance", "new", file, *(part for s in settings for part in ("--set", s))), *words
    )
    assert not file.exists()


def test_an_instance_is_written_only_as_a_known_kind_of_file(tmp_path, command):
    ended = command(
        "instance", "new", tmp_path / "new.txt", "--set", "models=switch-base-8", "--set", "layers=1"
    )
    assert_bad_input(ended, tmp_path / "new.txt", "expected .json, .json.gz, .npz")
    ended = command(
        "instance", "new", tmp_path / "no" / "new.json", "--set", "models=switch-base-8", "--set", "layers=1"
    )
    assert_bad_input(ended, tmp_path / "no" / "new.json")


def test_show_says_what_an_instance_is(cells, command):
    facts = one_object(command("instance", "show", cells, "--json").out)
    assert (facts["name"], facts["dispatch"], facts["servers"], facts["users"], facts["activations"]) == (
        "two-cells", "single", 2, 2, 3,
    )  # fmt: skip
    assert facts["sha256"] == read_instance(cells).sha256
    lines = command("instance", "show", cells).out
    assert facts["sha256"] in lines


def test_an_instance_is_made_of_a_routing_trace(tmp_path, command):
    trace, out = tmp_path / "trace.csv", tmp_path / "traced.json"
    rows = [
        f"u{token % 2},switch-base-8,{layer},{(token + layer) % 8}"
        for token in range(8)
        for layer in range(6)
    ]
    trace.write_text("user,model,layer,experts\n" + "\n".join(rows) + "\n")
    arguments = [
        "instance",
        "from-trace",
        trace,
        out,
        "--model",
        "switch-base-8",
        "--set",
        "network.servers=2",
    ]
    ended = command(*arguments)
    assert (ended.code, ended.err) == (0, "")
    instance = read_instance(out)
    assert (instance.n_users, instance.n_servers) == (2, 2)
    assert math.fsum(instance.rates) == pytest.approx(6)  # one group a token and layer
    trace.write_text("user,model,layer,experts\nu0,switch-base-8,0,99\n")
    assert_bad_input(command(*arguments), trace)
    assert_bad_input(
        command("instance", "from-trace", tmp_path / "none.csv", out, "--model", "switch-base-8"), "none.csv"
    )


# check


def test_check_passes_a_good_plugin_and_prints_each_demand(plugin, command):
    ended = command("check", "mine", "--plugin", plugin("mine", EMPTY))
    assert ended.code == 0
    assert [line[:5] for line in ended.out.splitlines()] == ["ok   "] * 5


def test_check_fails_a_bad_plugin_with_code_1_and_says_on_what(plugin, command):
    ended = command("check", "bad", "--plugin", plugin("bad", f"context.report(None, 0.0)\n{EMPTY}"))
    assert ended.code == 1
    lines = ended.out.splitlines()
    assert [line for line in lines if line.startswith("FAIL ")] == ["FAIL claims no bound below the optimum"]
    assert any(line.startswith("       tiny-single: ") for line in lines)


def test_check_of_an_unknown_solver_is_bad_input(command):
    assert_bad_input(command("check", "nobody"), "solver 'nobody': unknown")
