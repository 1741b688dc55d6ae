"""What a command loads: nothing that it does not use."""

import importlib
import json
import os
import subprocess
import sys

import pytest
from samples import TWO_CELLS_PLACEMENT

from slimbench.bench.cli.main import MODULES, summary

LOADED = """
import sys
sys.argv = ["slimbench", *sys.argv[1:]]
from slimbench.bench.cli.main import main
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
ours = {n.split(".")[1] for n in sys.modules if n.startswith("slimbench.") and n.count(".") > 1}
others = {n.partition(".")[0] for n in sys.modules} - sys.stdlib_module_names
print()
print(*sorted(ours), *sorted(o for o in others if not o.startswith(("_", "slimbench"))))
"""
NUMBERS = {"msgspec", "numpy"}
SHELL = {"annotated_doc", "rich", "shellingham", "typer", "typing_extensions"}


def loaded(*arguments, **environment):
    """Folders of ours and other packages that are in memory when the command has ended."""
    ended = subprocess.run(
        [sys.executable, "-c", LOADED, *map(str, arguments)],
        capture_output=True, text=True, check=False, env=os.environ | environment,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return set(ended.stdout.splitlines()[-1].split())


def test_the_help_loads_no_command():
    assert loaded("--help") <= SHELL | {"bench"}


def test_completion_loads_no_command():
    words = {"_SLIMBENCH_COMPLETE": "complete_bash", "COMP_WORDS": "slimbench s", "COMP_CWORD": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv = ['slimbench']\n" + LOADED.partition("\n")[2]],
        capture_output=True, text=True, check=False, env=os.environ | words,
    )  # fmt: skip
    *names, _, last = ended.stdout.splitlines()
    assert {"solve", "solvers", "schema", "sys-info"} <= set(names)
    assert set(last.split()) <= SHELL | {"bench"}


def test_the_list_of_solvers_loads_no_solver_library():
    heavy = {"numba", "pandas", "pyarrow", "highspy", "ortools", "pulp", "altair", "reports"}
    assert not loaded("solvers") & heavy


def test_an_evaluation_loads_numbers_and_the_command_line(cells, tmp_path):
    placement = tmp_path / "placement.json"
    placement.write_text(json.dumps(TWO_CELLS_PLACEMENT))
    expected = SHELL | NUMBERS | {"bench", "instances"}
    assert loaded("evaluate", cells, placement) <= expected


def test_a_baseline_compiles_nothing_and_loads_no_solver_library(cells):
    heavy = {"numba", "scipy", "pandas", "pyarrow", "highspy", "ortools", "pulp", "networkx"}
    assert not loaded("solve", cells, "--solver", "popularity") & heavy


def test_the_process_of_a_run_has_warmed_nothing_that_no_job_asked_for(cells, plugin):
    heavy = "{'numba', 'scipy', 'highspy', 'ortools', 'pandas', 'pyarrow'}"
    body = f"context.record(loaded=' '.join({heavy} & set(sys.modules)))\nreturn Placement.empty(instance)"
    command = [
        "-m",
        "slimbench.bench.cli.main",
        "solve",
        cells,
        "-s",
        "sees",
        "--plugin",
        plugin("sees", body),
    ]
    ended = subprocess.run(
        [sys.executable, *map(str, command), "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(ended.stdout)["figures"] == {"loaded": ""}


@pytest.mark.parametrize("name", MODULES)
def test_the_summary_of_a_command_is_the_first_line_of_its_docstring(name):
    module = importlib.import_module(f"slimbench.bench.cli.{MODULES[name]}")
    said = getattr(module, name.replace("-", "_")).__doc__.partition("\n")[0]
    assert said == summary(name) != ""
