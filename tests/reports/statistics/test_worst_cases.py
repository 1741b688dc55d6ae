"""The worst case of each solver: the lowest certain ratio of all runs, and a command that makes it again."""

import json
import math
import shlex
import subprocess
import sys

import pytest
from samples import random_instance

from slimbench.bench.results.results import load_results
from slimbench.bench.suites.benchmark import Request, open_benchmark
from slimbench.instances import write_instance
from slimbench.reports.statistics.worst_cases import worst_cases

PLUGIN = """
import numpy as np
from slimbench.bench import SolveContext, solver
from slimbench.instances import Instance, Placement

@solver("drawn")
def drawn(instance: Instance, context: SolveContext, *, only: str = "any") -> Placement:
    '''A server caches one expert drawn at random, if there is room for it.'''
    holds = np.zeros((instance.n_servers, instance.n_experts), bool)
    for server, capacity in enumerate(instance.capacities_bytes):
        expert = context.rng.integers(instance.n_experts)
        holds[server, expert] = instance.expert_bytes[expert] <= capacity
    return Placement(holds)
"""


def test_the_run_of_the_lowest_certain_ratio_is_the_worst(make_results, failed):
    runs = [
        {"solver": "a", "instance": "i", "saving_s": 0.9, "seed": 7},
        {"solver": "a", "instance": "i", "saving_s": 0.5, "seed": 8, "repeat": 1},
        {"solver": "a", "instance": "j", "saving_s": 0.4, "seed": 9},  # 0.4 to 0.8: lower than 0.5 for sure
        {"solver": "a", "instance": "k", **failed},
        {"solver": "b", "instance": "i", "saving_s": 0.2, "status": "time_limit"},
        {"solver": "c", "instance": "i", **failed, "status": "planned"},
    ]
    references = {"i": (1.0, 1.0, True), "j": (0.5, 1.0, False), "k": (1.0, 1.0, True)}
    table = worst_cases(make_results(runs, references))
    assert table["solver"].tolist() == ["b", "a"]
    a = table.set_index("solver").loc["a"]
    assert (a["ratio_low"], a["ratio_high"], a["optimum"]) == (0.4, 0.8, "open")
    assert (a["instance"], a["seed"], a["run_id"], a["repeat"]) == ("j", 9, 3, 0)
    assert (a["n_ended"], a["n_failed"], a["n_unplaced"]) == (4, 1, 1)
    b = table.set_index("solver").loc["b"]
    assert (b["optimum"], b["n_failed"], b["n_unplaced"]) == ("proven", 1, 0)
    assert a["command"] == (
        "slimbench solve instances/j.npz --solver a --seed 9 --time-limit 10 --memory-limit 1000"
    )


def test_a_solver_without_any_placement_comes_first_with_its_first_failure(make_results, failed):
    runs = [
        {"solver": "a", "instance": "i", "saving_s": 0.1},
        {"solver": "b", "instance": "i", **failed, "seed": 5},
        {"solver": "b", "instance": "j", **failed},
    ]
    row = worst_cases(make_results(runs)).iloc[0]
    assert (row["solver"], row["instance"], row["status"], row["n_unplaced"]) == ("b", "i", "crashed", 2)
    assert math.isnan(row["ratio_low"])
    assert "--seed 5" in row["command"]


def test_no_name_leaves_its_place_in_the_command(make_results):
    solver = "a[x=$(rm -rf ~);'\"`]"
    run = {"solver": solver, "instance": "i", "saving_s": 0.5, "time_limit_s": 0.1 + 0.2}
    results = make_results([run])
    results.instances["file"] = "-a b;.npz"
    command = worst_cases(results).iloc[0]["command"]
    parts = shlex.split(command)
    assert parts[2] == "./-a b;.npz"
    assert parts[4] == solver
    echoed = subprocess.run(["sh", "-c", f"echo {command}"], capture_output=True, text=True, check=True)
    assert solver in echoed.stdout


def test_the_command_makes_the_same_saving_again(tmp_path):
    folder = tmp_path / "my runs; 'all'"
    folder.mkdir()
    plugin = folder / "drawn at random.py"
    plugin.write_text(PLUGIN)
    for i in range(2):
        write_instance(random_instance(i), folder / f"{i}.json")
    (folder / "suite.toml").write_text(
        'name = "small"\nsolvers = ["drawn[only=some]"]\nrepeats = 2\n[limits]\ntime_s = 30\n'
        '[[instances]]\nfile = "0.json"\n[[instances]]\nfile = "1.json"\n'
    )
    run_folder = folder / "run"
    with open_benchmark(
        Request(str(folder / "suite.toml"), out=run_folder, plugin_files=[plugin])
    ) as benchmark:
        benchmark.execute(jobs=1)
    results = load_results(run_folder)
    row = worst_cases(results).iloc[0]
    assert row["status"] == "ok"
    script = f'slimbench() {{ {shlex.quote(sys.executable)} -m slimbench.bench.cli.main "$@"; }}; '
    solved = subprocess.run(
        ["sh", "-c", f"{script}{row['command']} --json"],
        capture_output=True,
        text=True,
        check=True,
        cwd=run_folder,
    )
    run = results.runs.set_index("run_id").loc[row["run_id"]]
    again = json.loads(solved.stdout)
    assert (again["instance_hash"], again["solver"]) == (run["instance_hash"], run["solver"])
    assert again["saving_s"] == pytest.approx(run["saving_s"], rel=1e-12, abs=0)


def test_a_run_of_nothing_has_no_worst_case(make_results):
    assert worst_cases(make_results([])).empty
