"""Plugins and suites written by the tests, the command line in this process, and a look at processes."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from compared_runs import REFERENCES
from libraries import small_library, write_placement_file
from run_folders import MACHINE, write_run
from samples import TWO_CELLS, random_instance, two_cells
from shared_servers import shared_servers
from suite_text import HEAD

from slimbench.bench.cli import main as cli
from slimbench.bench.execution.verification import verified
from slimbench.bench.isolation.messages import Job
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.plugins.registry import find_solvers
from slimbench.bench.plugins.warm_up import Shape, tiny_instance
from slimbench.bench.suites.benchmark import Request, open_benchmark
from slimbench.bench.suites.plan import make_plan
from slimbench.bench.suites.suite import Suite, SuiteFile, read_suite
from slimbench.instances import DISPATCHES, write_instance

PATIENCE_S = 60  # for what is certain to happen
GENEROUS_S = 60.0

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


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Return the file of the example of docs/FILES.md."""
    path = tmp_path / "cells.json"
    path.write_text(json.dumps(TWO_CELLS))
    return path


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str


Cli = Callable[..., Finished]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], undrawn: None) -> Cli:
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


@pytest.fixture
def unreported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands write an empty page: a report takes longer than the runs of a small suite."""

    def write(_results: object, folder: Path, *_out: Path) -> Path:
        (folder / "report.html").touch()
        return folder / "report.html"

    monkeypatch.setattr("slimbench.reports.write_report", write)


@pytest.fixture
def suite_of(tmp_path: Path) -> Callable[..., SuiteFile[Suite]]:
    """Return a writer and reader of a suite, of instances only."""

    def read(*entries: str, head: str = HEAD) -> SuiteFile[Suite]:
        path = tmp_path / "mine.toml"
        path.write_text(head + "".join(f"[[instances]]\n{entry}\n" for entry in entries))
        return read_suite(str(path))

    return read


@pytest.fixture
def refusal(suite_of: Callable[..., SuiteFile[Suite]], tmp_path: Path) -> Callable[..., str]:
    """Return the line with which a suite is refused, but for its number, before anything is written."""

    def refuse(*entries: str, head: str = HEAD) -> str:
        with pytest.raises(ValueError) as error:
            make_plan(suite_of(*entries, head=head), find_solvers(), None)
        assert "\n" not in str(error.value)
        assert not (tmp_path / "run").exists()
        return re.sub(r": line \d+: ", ": ", str(error.value).replace(str(tmp_path), "TMP"))

    return refuse


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
        request = Request(str(suite), out=folder, plugin_files=plugins)
        with open_benchmark(request) as benchmark:
            benchmark.execute(jobs=jobs)
            return benchmark.store.runs()

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


@pytest.fixture(scope="session", autouse=True)
def servers():
    """Start fork servers once."""
    with shared_servers():
        yield


@pytest.fixture(scope="session")
def workers(servers):
    """Return what runs two jobs at a time, for all tests of this process."""
    with Workers(slots=2) as workers:
        yield workers


@pytest.fixture
def job(tmp_path, tiny_file):
    """Return a maker of jobs on the tiny instance."""

    def make(solver, *plugins, key=0, time_limit_s=GENEROUS_S, memory_limit_mb=4096.0, threads=1, **more):
        return Job(
            key=key,
            instance_file=str(tiny_file),
            shape=Shape.of(tiny_instance("single")),
            solver=solver,
            plugin_files=tuple(map(str, plugins)),
            seed=1,
            time_limit_s=time_limit_s,
            memory_limit_mb=memory_limit_mb,
            threads=threads,
            **{"log_file": str(tmp_path / f"{key}.log"), **more},
        )

    return make


def below(process):
    """What a process has started; nothing if it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


@pytest.fixture
def row_of(workers, job, wait_until):
    """Return the verified row of one run; no process may outlive it."""

    def run(file, **limits):
        workers.submit(job("bad", file, **limits))
        (outcome,) = workers.collect()
        wait_until(lambda: not any(map(below, psutil.Process().children())))  # killed, but perhaps not gone
        return verified(tiny_instance("single"), outcome)

    return run


@pytest.fixture
def later_runs_go_on(workers, job):
    yield
    workers.submit(job("popularity", key=99))
    (outcome,) = workers.collect()
    assert (outcome.status, outcome.message) == ("ok", "")


@pytest.fixture
def folders(tmp_path):
    """Return a writer of two run folders, of measured rows, with the same references."""

    def write(before, after, references=REFERENCES, machine=MACHINE):
        return (
            write_run(tmp_path / "old", [*references, *before]),
            write_run(tmp_path / "new", [*references, *after], machine=machine),
        )

    return write


@pytest.fixture
def library(tmp_path: Path, command: Callable[..., Finished]) -> Callable[..., Finished]:
    """Return what runs a verb on a library of ``drawn`` and ``two-cells``; its folder is ``own``."""
    small_library(tmp_path / "own")

    def run(verb: str, *arguments: object) -> Finished:
        return command("library", verb, *arguments, "--library", tmp_path / "own")

    return run


@pytest.fixture
def submit(library: Callable[..., Finished], tmp_path: Path) -> Callable[..., Finished]:
    """Return what submits a placement of two-cells."""

    def run(document: dict[str, Any], by: str = "A. Name") -> Finished:
        file = write_placement_file(tmp_path / "placement.json", document)
        return library("submit", "two-cells", file, "--by", by)

    return run
