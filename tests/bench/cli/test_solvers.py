"""``solve``, ``evaluate``, ``solvers`` and ``check``: what they print, and exit codes 0 and 1."""

import json

import pytest
from command_line import assert_bad_input, one_object
from oracles import brute_force
from samples import TWO_CELLS, TWO_CELLS_OPTIMA_S, TWO_CELLS_PLACEMENT, random_instance

from slimbench.instances import write_instance

EMPTY = "return Placement.empty(instance)"
FULL = "np.ones((instance.n_servers, instance.n_experts), bool)"
SOLVE_FIELDS = {
    "solver", "status", "termination", "latency_s", "latency_none_s", "saving_s", "bound_saving_s",
    "runtime_s",
}  # fmt: skip

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


# solvers


def test_solvers_lists_parameters_and_guarantees(plugin, command):
    options = "guarantee=Guarantee('0.1', 'always', 'a theorem', lambda *_: 0.1)"
    mine = plugin("mine", EMPTY, options=options, parameters="depth: int = 2, limit: float | None = None")
    rows = {row["solver"]: row for row in json.loads(command("solvers", "--plugin", mine, "--json").out)}
    assert rows["mine"] == {
        "solver": "mine", "parameters": {"depth": 2, "limit": None}, "guarantee": "0.1",
        "conditions": "always", "source": "a theorem", "exact": False, "bounds": False,
        "summary": "Written by a test.",
    }  # fmt: skip
    flags = {name: (row["exact"], row["bounds"]) for name, row in rows.items()}
    assert {flags[name] for name in ("milp", "exact", "brute-force")} == {(True, False)}
    assert {flags[name] for name in ("lagrangian", "bounds", "lp-rounding")} == {(False, True)}
    assert flags["slim-dp"] == (False, False)
    assert rows["slim-dp"]["guarantee"]
    assert rows["slim-dp"]["source"]
    shown = command("solvers", "--plugin", mine).out
    assert "mine" in shown
    assert "its own" in shown  # bound, of a solver that is not exact


# check


def test_check_passes_a_good_plugin_and_prints_each_demand(plugin, command):
    ended = command("check", "mine", "--plugin", plugin("mine", EMPTY))
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[2].startswith("ok   honours its deadline (2 s on ")
    assert lines == [
        "ok   returns a feasible placement",
        "ok   repeats itself under a seed",
        lines[2],
        "--   keeps its guarantee: not shown, none is declared",
        "--   claims no bound below the optimum: not shown, no run claimed a bound",
    ]


def test_check_fails_a_bad_plugin_with_code_1_and_says_on_what(plugin, command):
    ended = command("check", "bad", "--plugin", plugin("bad", f"context.report(None, 0.0)\n{EMPTY}"))
    assert ended.code == 1
    lines = ended.out.splitlines()
    assert [line for line in lines if line.startswith("FAIL ")] == ["FAIL claims no bound below the optimum"]
    assert any(line.startswith("       tiny-single: ") for line in lines)


def test_check_of_an_unknown_solver_is_bad_input(command):
    assert_bad_input(command("check", "nobody"), "solver 'nobody': unknown")
