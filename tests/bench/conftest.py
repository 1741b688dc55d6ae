"""Plugins and suites written by the tests, the command line in this process, and a look at processes."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from samples import random_instance, two_cells

from slimbench.bench import cli
from slimbench.bench.plan import plan_run
from slimbench.bench.registry import find_solvers
from slimbench.bench.runner import execute
from slimbench.bench.suite import read_suite
from slimbench.bench.warm_up import tiny_instance
from slimbench.instances import DISPATCHES, write_instance

PATIENCE_S = 30  # for what is certain to happen

HEADER = """\
import ctypes, os, signal, subprocess, sys, time
from pathlib import Path
from typing import Literal
import numpy as np
from slimbench.bench import Guarantee, NoSolutionError, SolveContext, solver
from slimbench.instances import Instance, Placement, evaluate

"""

WritePlugin = Callable[..., Path]


@pytest.fixture
def plugin(tmp_path: Path) -> WritePlugin:
    """Return a writer: ``plugin(name, body, options="exact=True", parameters="depth: int = 2")``."""

    def write(name: str, body: str, *, options: str = "", parameters: str = "", before: str = "") -> Path:
        path = tmp_path / f"plugin_{name.replace('-', '_')}.py"
        signature = f"instance: Instance, context: SolveContext{', *, ' + parameters if parameters else ''}"
        path.write_text(
            f"{HEADER}{textwrap.dedent(before)}\n@solver({name!r}{', ' + options if options else ''})\n"
            f"def solve({signature}) -> Placement:\n"
            f"    '''Written by a test.'''\n{textwrap.indent(textwrap.dedent(body), '    ')}\n",
            "utf-8",
        )
        return path

    return write


@pytest.fixture
def tiny_file(tmp_path: Path) -> Path:
    """Return the file of an instance of two servers, with room for two experts and one, and six experts."""
    path = tmp_path / "tiny.json"
    write_instance(tiny_instance("single"), path)
    return path


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str


Cli = Callable[..., Finished]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Return the command line, run in this process: ``command("solve", file, "--solver", "random")``."""

    def run(*arguments: object) -> Finished:
        monkeypatch.setattr(sys, "argv", ["slimbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capfd.readouterr()
        code = stop.value.code
        assert isinstance(code, int) or code is None
        return Finished(code or 0, out, err)

    return run


@pytest.fixture(scope="session")
def write_suite() -> Callable[..., Path]:
    """Return a writer of a suite of two tiny instances, ``two-cells`` and ``random-1``, and its files."""

    def write(folder: Path, solvers: list[str], *, dispatch: str = "single", more: str = "") -> Path:
        assert dispatch in DISPATCHES
        folder.mkdir(parents=True, exist_ok=True)
        write_instance(two_cells(dispatch), folder / "a.json")
        write_instance(random_instance(1, dispatch=dispatch, servers=2, experts=4), folder / "b.json.gz")
        path = folder / "small.toml"
        path.write_text(
            f'name = "small"\nsolvers = {solvers!r}\n{more}'
            '[[instances]]\nfile = "a.json"\n[[instances]]\nfile = "b.json.gz"\n'
        )
        return path

    return write


@pytest.fixture(scope="session")
def run_suite() -> Callable[..., list[dict[str, object]]]:
    """Return what plans and executes a suite in a folder; it returns all rows as they lie on disk."""

    def run(suite: Path, folder: Path, *plugins: Path, jobs: int = 1) -> list[dict[str, object]]:
        definition, text, suite_folder = read_suite(str(suite))
        solvers = find_solvers(plugins)
        store = plan_run(folder, definition, text, suite_folder, solvers, plugins, None)
        try:
            execute(folder, store, solvers, plugins, jobs, lambda row, reference: None)
            return store.runs()
        finally:
            store.close()

    return run


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Return a wait for what is certain to happen."""

    def wait(happened: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not happened():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.01)

    return wait


@pytest.fixture
def is_gone() -> Callable[[int], bool]:
    """Return whether a process has ended."""

    def gone(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return gone
