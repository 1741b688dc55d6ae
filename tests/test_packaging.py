"""What is packaged, and the names that users and plugins may rely on."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import slimbench.bench
import slimbench.instances

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("instances", "formulations", "bench", "reports")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
DATA_SUFFIXES = {
    Path(pattern).suffix or Path(pattern).name
    for pattern in PROJECT["tool"]["setuptools"]["package-data"]["*"]
}


def packaged(folder):
    """Every file of a folder that is meant to be installed."""
    for path in sorted((ROOT / folder).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def test_every_folder_with_code_or_data_is_a_listed_package_and_no_other():
    found = set()
    for folder in FOLDERS:
        for path in packaged(folder):
            found.add(".".join(("slimbench", *path.parent.relative_to(ROOT).parts)))
    listed = PROJECT["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(found)


def test_every_data_file_is_of_a_kind_that_is_packaged():
    for folder in FOLDERS:
        for path in packaged(folder):
            if path.suffix not in {".py", ".pyc"} | DATA_SUFFIXES:
                assert path.name in {"py.typed"}, f"{path.relative_to(ROOT)} would be missing from the wheel"


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_of_the_four_folders_declares_its_types(folder):
    assert (ROOT / folder / "py.typed").is_file()


def test_the_public_names_of_instances():
    assert sorted(slimbench.instances.__all__) == [
        "DISPATCHES", "Dispatch", "Evaluation", "Instance", "InstanceError", "Model", "Placement",
        "evaluate", "read_instance", "read_placement", "write_instance", "write_placement",
    ]  # fmt: skip
    assert all(hasattr(slimbench.instances, name) for name in slimbench.instances.__all__)


def test_the_public_names_of_bench():
    assert sorted(slimbench.bench.__all__) == [
        "Guarantee", "NoSolutionError", "Observation", "PluginError", "Policy", "Results", "SolveContext",
        "Solver", "compare_runs", "export_run", "find_policies", "find_solvers", "load_results",
        "merge_runs", "parse_call", "policy", "run", "solver",
    ]  # fmt: skip
    assert all(
        getattr(slimbench.bench, name).__module__.startswith("slimbench.") for name in slimbench.bench.__all__
    )
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = slimbench.bench.nothing


def python(code):
    """What a fresh interpreter prints."""
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_what_every_worker_imports_is_light():
    heavy = "{'pandas', 'matplotlib', 'typer', 'highspy', 'pulp', 'ortools', 'slimbench.reports'}"
    code = f"import sys, slimbench.bench.isolation.forkserver; print(*sorted({heavy} & set(sys.modules)))"
    assert python(code) == []


@pytest.mark.parametrize(
    "module",
    [
        "slimbench.bench",
        "slimbench.bench.solvers.milp",
        "slimbench.bench.plugins.registry",
        "slimbench.bench.plugins.plugin",
    ],
)
def test_each_module_that_plugins_and_bench_meet_in_can_be_imported_first(module):
    assert python(f"import {module}; from slimbench.bench import solver, SolveContext; print('ok')") == ["ok"]


def test_reading_results_needs_one_import():
    assert python("from slimbench.bench import Results, load_results; print(load_results.__name__)") == [
        "load_results"
    ]
