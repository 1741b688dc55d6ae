"""``slimbench adapt`` and ``policies``: files, documented columns, exit codes, bad input."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from slimbench.bench import Observation, SolveContext
from slimbench.bench.adaptive.run import AdaptiveRun
from slimbench.bench.plugins.registry import find_policies
from slimbench.bench.suites.selection import Selection
from slimbench.bench.suites.suite import SuiteError, shipped_suites
from slimbench.bench.suites.suite_sequences import has_sequences, read_adaptive_suite, suite_sequences
from slimbench.instances import Placement, evaluate, read_instance
from slimbench.reports.pages import page

DOC = (Path(__file__).parents[3] / "docs" / "ADAPTIVE.md").read_text("utf-8")
SUITE = """
name = "tiny"
policies = ["static", "replan"]
[limits]
time_s = 10
[[sequences]]
name = "drift"
dispatch = "single"
models = ["moe-llava-phi2-2.7b-4e"]
layers = 1
network = { servers = 2, users = 2 }
routing = { kind = "zipf", tokens = 8 }
periods = 2
drift = {}
"""
BROKEN = """
from slimbench.bench import Observation, SolveContext, policy
from slimbench.instances import Placement

@policy("broken", sees="past")
def broken(seen: Observation, context: SolveContext) -> Placement:
    '''Fails.'''
    raise ValueError("<b>no</b> idea")
"""


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def undrawn(monkeypatch):
    monkeypatch.setattr(page, "renderings", lambda chart: {"svg": json.dumps(chart.specification).encode()})


def test_a_suite_from_start_to_end(suite, tmp_path, command, undrawn):
    plugin, out = tmp_path / "broken.py", tmp_path / "out"
    plugin.write_text(BROKEN)
    ended = command("adapt", suite, "-p", "replan", "-p", "broken", "--plugin", plugin, "--out", out)
    assert ended.code == 1  # a policy failed
    assert "2 of 2" in ended.out
    tables = {name: pd.read_csv(out / f"{name}.csv") for name in ("sequences", "policies", "periods")}
    for name, table in tables.items():
        (section,) = re.findall(rf"^### `{name}.csv`\n(.*?)(?=^##|\Z)", DOC, re.M | re.S)
        cells = re.findall(r"^\| (`.*?) \|", section, re.M)
        documented = [column for cell in cells for column in re.findall(r"`([^`]+)`", cell)]
        assert sorted(documented) == sorted(table.columns)
    replan, broken = tables["policies"].to_dict("records")
    assert (replan["status"], broken["status"], broken["periods_failed"]) == ("ok", "failed", 2)
    assert "no</b> idea" in broken["message"]
    assert replan["regret_low_s"] >= 0
    own = tables["periods"].query("policy == 'replan'")
    assert replan["total_s"] == pytest.approx(own["cumulative_s"].iloc[-1])
    text = (out / "report.html").read_text("utf-8")
    assert "<b>no</b>" not in text
    assert "replan" in (out / "report.md").read_text("utf-8")
    again = command("adapt", suite, "--out", out)
    assert (again.code, again.err.strip()) == (
        2, f"slimbench: {out}: has results already, expected another folder",
    )  # fmt: skip
    _check_placements(out)


def _check_placements(out):
    """What is written can be evaluated again from the files alone."""
    content = json.loads((out / "adaptive.json").read_text("utf-8"))
    (folder,) = (out / "sequences").iterdir()
    instances = [read_instance(file) for file in sorted(folder.glob("*.npz"))]
    for of in content["placements"]:
        for t, (bits, instance) in enumerate(zip(of["bits"], instances, strict=True)):
            shape = instance.n_servers, instance.n_experts
            holds = np.unpackbits(np.frombuffer(base64.b64decode(bits), np.uint8), count=shape[0] * shape[1])
            placement = Placement(holds.reshape(shape).astype(bool))
            assert placement.violation(instance) is None
            (row,) = (
                row
                for row in content["periods"]
                if (row["policy"], row["sequence"], row["period"]) == (of["policy"], of["sequence"], t)
            )
            assert row["latency_s"] == evaluate(instance, placement).latency_s


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ["adapt", "nowhere.toml"],
            "nowhere.toml: No such file or directory, expected a TOML file or one of",
        ),
        (["adapt", "quick"], "quick: is a suite of instances, expected one of sequences"),
        (["adapt", "adaptive", "-p", "nobody"], "policy 'nobody': unknown"),
        (["adapt", "adaptive", "-d", "nothing-*"], "nothing is selected"),
        (["adapt", "adaptive", "-p", "static", "-p", "static"], "policies: name static 2 times"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(arguments, problem, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = command(*arguments)
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert problem in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("drift = {}", "drift = { rankings = 1 }", r"sequences\[0\].drift.rankings"),
        ('["static", "replan"]', '["statik"]', "line 3: policies: policy 'statik': unknown"),
        ("periods = 2", "period = 2", r"line 13: sequences\[0\].period: is not a field"),
        ("[limits]", '[reference]\npolicies = ["static"]\n[limits]', "static is not an exact policy"),
        ('dispatch = "single"', "dispatch = []", "is an empty list"),
        ("[[sequences]]", "[[sequence]]", "sequence"),
    ],
)
def test_a_suite_that_is_none_is_told_where(before, after, problem, suite, command, tmp_path):
    suite.write_text(SUITE.replace(before, after))
    ended = command("adapt", suite, "--out", tmp_path / "out")
    assert ended.code == 2
    assert re.search(problem, ended.err)
    assert str(suite) in ended.err
    assert not (tmp_path / "out").exists()


def test_the_shipped_suite_makes_its_sequences():
    assert list(filter(has_sequences, shipped_suites())) == ["adaptive"]
    file = read_adaptive_suite("adaptive")
    named = list(suite_sequences(file.suite, file.folder, None))
    assert len({one.sequence.sha256 for one in named}) == len(named) == 10
    assert {one.sequence.periods[0].dispatch for one in named} == {"single", "parallel", "serial"}


def test_a_sequence_may_start_from_a_scenario(suite):
    entry = 'scenario = "metro-ring"\nseed = [1, 2]\nlayers = 1\nperiods = 2\nmobility = {}\n'
    suite.write_text(SUITE[: SUITE.index('name = "drift"')] + entry)
    file = read_adaptive_suite(str(suite))
    first, second = (one.sequence for one in suite_sequences(file.suite, file.folder, None))
    assert (first.name, second.name) == ("metro-ring-s1", "metro-ring-s2")
    assert first.periods[0].n_servers == 12
    suite.write_text(suite.read_text() + "network = { layout = { kind = 'highway' } }\n")
    file = read_adaptive_suite(str(suite))
    with pytest.raises(SuiteError, match=r"sequences\[0\]\.mobility: goes with .* \(scenario metro-ring\)"):
        list(suite_sequences(file.suite, file.folder, None))


def test_a_name_twice_is_refused(suite):
    suite.write_text(SUITE + SUITE[SUITE.index("[[sequences]]") :])
    file = read_adaptive_suite(str(suite))
    with pytest.raises(SuiteError, match="a second sequence named 'drift'"):
        list(suite_sequences(file.suite, file.folder, None))


def test_policies_are_listed(command):
    listed = json.loads(command("policies", "--json").out)
    assert [row["policy"] for row in listed] == sorted(find_policies())
    assert all(row["summary"].endswith(".") for row in listed)
    assert "pay-off" in command("policies").out
    for row in listed:
        assert f"`{row['policy']}`" in DOC


def test_the_examples_of_the_documentation_are_what_they_say(tmp_path):
    (toml,), (python,) = (
        re.findall(rf"^```{kind}\n(.*?)^```", DOC, re.M | re.S) for kind in ("toml", "python")
    )
    suite, plugin = tmp_path / "mine.toml", tmp_path / "popular.py"
    suite.write_text(toml)
    plugin.write_text(python)
    file = read_adaptive_suite(str(suite))
    policies = find_policies([plugin])
    run = AdaptiveRun(file, Selection(("last-popular", *file.suite.policies)), [plugin])
    assert len(run.plan) == 4
    (first, second, *_) = run.plan[0][0].sequence.periods
    prices = 1e-9, 1e-9
    for known in ((), (first,)):
        seen = Observation(
            "past", len(known), 8, known, (1.0,) * len(known), Placement.empty(second),
            second.capacities_bytes, second.expert_bytes, *prices,
        )  # fmt: skip
        placement = policies["last-popular"](seen, SolveContext(np.random.default_rng(0)))
        assert placement.violation(second) is None
        assert placement.holds.any() == bool(known)


def test_run_takes_suites_of_sequences_as_well(suite, tmp_path, command, undrawn):
    out = tmp_path / "out"
    ended = command("run", suite, "-s", "static", "--seed", "7", "--timeout", "30", "-v", "--out", out)
    assert ended.code == 0
    assert "drift static ok" in ended.err
    (row,) = pd.read_csv(out / "policies.csv").to_dict("records")
    assert (row["policy"], row["status"]) == ("static", "ok")
    other = tmp_path / "other"
    command("adapt", suite, "-p", "static", "--seed", "8", "--out", other, "-q")
    assert pd.read_csv(other / "policies.csv")["seed"][0] != row["seed"]


def test_a_keyword_leaves_policies_out_on_some_sequences(suite):
    suite.write_text(SUITE.replace('dispatch = "single"', 'dispatch = ["single", "serial"]'))
    file = read_adaptive_suite(str(suite))
    run = AdaptiveRun(file, Selection(keyword="static or (replan and serial)"))
    left = {named.sequence.periods[0].dispatch: [call.label for call in calls] for named, calls in run.plan}
    assert left == {"single": ["static"], "serial": ["static", "replan"]}


@pytest.mark.parametrize("name", ["run", "adapt"])
def test_a_dry_run_says_what_would_be_run(name, suite, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = command(name, suite, "--dry-run")
    assert ended.code == 0
    assert "3 episodes on 1 sequences\nat most 1 min 40 s by their limits\n" in ended.out
    assert list(tmp_path.iterdir()) == [suite]


@pytest.mark.parametrize("option", [("--resume",), ("-j", "2"), ("-r", "2"), ("--executor", "serial")])
def test_options_that_sequences_do_not_have_are_refused(option, suite, tmp_path, command):
    ended = command("run", suite, "--out", tmp_path / "out", *option)
    assert ended.code == 2
    assert "is not for suites of sequences" in ended.err
    assert not (tmp_path / "out").exists()
