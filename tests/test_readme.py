"""The README's task and plugin work as pasted, in an empty folder."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from samples import two_cells

from slimbench.bench import SolveContext
from slimbench.bench.cli.main import app
from slimbench.bench.plugins.registry import find_solvers
from slimbench.bench.suites.plan import make_plan
from slimbench.bench.suites.suite import read_suite
from slimbench.instances import write_instance

README = Path(__file__).parents[1] / "README.md"
FILES = {"toml": "mine.toml", "python": "busiest.py"}


def blocks() -> list[tuple[str, str]]:
    return re.findall(r"^```(\w+)\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)


COMMANDS = [
    command
    for kind, text in blocks()
    if kind in {"bash", "text"}
    for command in text.strip().splitlines()
    if command.startswith("slimbench ")
]


def parse(command: Any, arguments: list[str]) -> None:
    """Read arguments as the command line does, and run nothing."""
    with command.make_context(command.name, arguments) as context:
        if hasattr(command, "resolve_command"):
            _, inner, rest = command.resolve_command(context, arguments)
            parse(inner, rest)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_line_takes_every_command_of_the_readme(command):
    parse(typer.main.get_command(app), shlex.split(command)[1:])


def test_what_the_command_line_does_not_take_is_refused():
    with pytest.raises(Exception, match="No such option"):
        parse(typer.main.get_command(app), ["solve", "cells.json.gz", "--colour"])


def test_what_the_examples_cover():
    assert {command.split()[1] for command in COMMANDS} == {
        "adapt", "attack", "check", "compare", "evaluate", "export", "inspect", "instance", "library",
        "merge", "policies", "record", "report", "run", "solve", "solvers", "verify",
    }  # fmt: skip


def test_the_suite_and_the_plugin_of_the_readme_are_what_they_say(tmp_path):
    for kind, text in blocks():
        if kind in FILES:
            (tmp_path / FILES[kind]).write_text(text, "utf-8")
    write_instance(two_cells(), tmp_path / "cells.json.gz")
    solvers = find_solvers([tmp_path / FILES["python"]])
    plan = make_plan(read_suite(str(tmp_path / FILES["toml"])), solvers, None)
    assert len(plan.runs) > 0
    placement = solvers["busiest-first"](two_cells(), SolveContext(np.random.default_rng(0)))
    assert placement.violation(two_cells()) is None
    assert placement.holds.sum(axis=1).tolist() == [2, 1]


@pytest.mark.slow
@pytest.mark.timeout(900)  # a dozen programs one after another, with exact solves among them
def test_every_example_of_the_readme_runs_in_the_order_it_is_told(tmp_path):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    commands = []
    for kind, text in blocks():
        if kind in FILES:
            (tmp_path / FILES[kind]).write_text(text, "utf-8")
        elif kind == "bash":
            for command in text.strip().splitlines():
                done = subprocess.run(
                    ["bash", "-c", command], cwd=tmp_path, env={**os.environ, "PATH": path},
                    capture_output=True, text=True, check=False,
                )  # fmt: skip
                assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
                commands.append(command.split()[1])
    assert commands
    assert (tmp_path / "runs/mine/report.html").stat().st_size > 10_000


def test_the_plugin_of_the_readme_has_at_most_fifteen_lines():
    (plugin,) = [text for kind, text in blocks() if kind == "python"]
    assert len(plugin.strip().splitlines()) <= 15


def test_the_readme_names_the_commands_of_noxfile_and_ci():
    sessions = re.findall(r"nox -s ([\w-]+)", README.read_text("utf-8"))
    noxfile = (README.parent / "noxfile.py").read_text("utf-8")
    assert sessions
    assert all(f"def {name}(" in noxfile or f'name="{name}"' in noxfile for name in sessions)
    assert "nox -s tests" in (README.parent / ".ci/run").read_text("utf-8")
