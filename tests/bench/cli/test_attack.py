"""``attack``: files that reproduce what was found, what the terminal says, and exit codes."""

import contextlib
import json
import shlex

import numpy as np
import pytest
from oracles import plain_saving

from slimbench.bench.attack import findings as findings_module
from slimbench.bench.attack import search
from slimbench.bench.attack.search import Attack
from slimbench.bench.cli import attack as cli_attack
from slimbench.instances import InstanceError, read_instance, read_placement

EMPTY = "return Placement.empty(instance)"
FULL = "return Placement(np.ones((instance.n_servers, instance.n_experts), bool))"


@pytest.fixture(autouse=True)
def few_candidates(monkeypatch):
    """Let a generation have few instances."""
    monkeypatch.setattr(search, "FIRST_DRAWN", 2)
    monkeypatch.setattr(search, "CHILDREN", 6)


@pytest.fixture
def command(command, workers, monkeypatch):
    """Return the command line, with the workers that run already."""
    monkeypatch.setattr(cli_attack, "Workers", lambda: contextlib.nullcontext(workers))
    return command


def by_kind(table):
    return {kind: finding for finding in table["findings"] for kind in finding["kinds"]}


def guarantee(ratio, expected=False):
    return f"guarantee=Guarantee('mine', 'always', 'none', lambda *_: {ratio}, expected={expected})"


def test_findings_are_files_that_reproduce_what_they_say(tmp_path, command):
    out = tmp_path / "found"
    ended = command("attack", "slim-dp", "--rounds", 1, "--top-k", 1, "--users", 2, "--out", out, "--json")
    table = json.loads(ended.out)
    assert ended.code == 0
    assert table == json.loads((out / "findings.json").read_text())
    assert {f["file"] for f in table["findings"]} <= set(map(str, out.iterdir()))
    assert list(tmp_path.iterdir()) == [out]
    for finding in table["findings"]:
        instance = read_instance(finding["file"])
        assert instance.sha256 == finding["instance_hash"]
        savings = {
            name: plain_saving(instance, read_placement(out / finding[name], instance))
            for name in ("placement", "optimum")
        }
        assert savings["placement"] == pytest.approx(finding["saving_s"])
        assert savings["optimum"] == pytest.approx(finding["optimum_s"])
        program, *arguments = shlex.split(finding["reproduce"])
        solved = json.loads(command(*arguments, "--json").out)
        assert program == "slimbench"
        assert solved["saving_s"] == finding["saving_s"]
        assert solved["guarantee_ratio"] == finding["guarantee"]


def test_the_terminal_says_what_was_found_and_within_which_limits(tmp_path, command):
    ended = command("attack", "slim-dp", "--rounds", 0, "--out", tmp_path / "a", "--servers", 2)
    assert ended.code == 0
    for words in ("lowest ratio", "1/2; 0.497", "tight to 0.000250", "smallest margin",
                  "skipped as their optimum is open",
                  "single, seed 0, 0 rounds: all rounds done", "max_servers 2", "latencies_s 0.001 to 0.1",
                  "reproduce lowest-ratio", "slimbench solve"):  # fmt: skip
        assert words in ended.out
    ended = command("attack", "popularity", "--rounds", 0, "--out", tmp_path / "b")
    assert "declares no guarantee" in ended.out


def test_code_1_where_a_promise_was_broken_and_the_terminal_begins_with_it(tmp_path, plugin, command):
    bad, out = plugin("bad", FULL), tmp_path / "found"
    ended = command("attack", "bad", "--plugin", bad, "--rounds", 0, "--out", out)
    assert ended.code == 1
    assert ended.out.startswith("BROKEN: infeasible")
    assert f"--plugin {bad}" in ended.out
    assert (out / "infeasible.json").is_file()
    assert (out / "infeasible.placement.json").is_file()


def test_a_guarantee_that_was_broken_is_not_called_tight(tmp_path, plugin, command):
    bad = plugin("bad", EMPTY, options=guarantee("0.5"))
    ended = command("attack", "bad", "--plugin", bad, "--rounds", 0, "--out", tmp_path / "found")
    assert ended.code == 1
    assert "mine, broken\n" in ended.out


def test_code_4_where_nothing_was_measured(tmp_path, command):
    ended = command("attack", "random", "--timeout", 0, "--out", tmp_path / "found")
    assert ended.code == 4
    assert "none: no candidate" in ended.out
    assert "timeout" in ended.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody"], "solver 'nobody': unknown"),
        (["random", "--top-k", "5"], "--top-k: is 5, expected at most --experts = 4"),
        (["random", "--plugin", "none.py"], "none.py: is not a file"),
    ],
)
def test_bad_input_is_one_line_and_makes_no_folder(tmp_path, command, arguments, words):
    ended = command("attack", *arguments, "--out", tmp_path / "found")
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert words in ended.err
    assert not (tmp_path / "found").exists()


def test_another_dispatch_is_a_usage_error_that_names_the_three(tmp_path, command):
    ended = command("attack", "random", "--dispatch", "both", "--out", tmp_path / "found")
    assert (ended.code, ended.out) == (2, "")
    for word in ("--dispatch", "'both'", "single", "parallel", "serial"):
        assert word in ended.err
    assert not (tmp_path / "found").exists()


def test_a_folder_with_something_in_it_is_refused_before_the_search(tmp_path, command):
    (tmp_path / "mine").touch()
    for taken in (tmp_path, tmp_path / "mine"):
        ended = command("attack", "random", "--out", taken)
        assert ended.code == 2
        assert ended.err == f"slimbench: {taken}: exists already, expected another folder\n"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), InstanceError("", "no")])
def test_findings_that_cannot_be_written_leave_nothing_behind(tmp_path, command, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(findings_module, "write_placement", fail)
    ended = command("attack", "random", "--rounds", 0, "--out", tmp_path / "found")
    assert ended.code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_search_that_is_stopped_keeps_what_it_has_found(tmp_path, command, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Attack, "_child", stop)  # after the first generation
    ended = command("attack", "popularity", "--out", tmp_path / "found", "--json")
    assert ended.code == 130
    table = json.loads((tmp_path / "found" / "findings.json").read_text())
    assert table["ended"] == "interrupted"
    assert np.isfinite(by_kind(table)["lowest-ratio"]["ratio"])
