"""Policies through sequences: what they are told, what becomes of those that fail, and their regret."""

import textwrap

import numpy as np
import pytest
from sequences import random_sequence, swap

from slimbench.bench import PluginError
from slimbench.bench.adaptive import run as adaptive_run
from slimbench.bench.adaptive.conformance import least_cost_s
from slimbench.bench.adaptive.episode import Episode, EpisodeRunner
from slimbench.bench.adaptive.regret import competitive_ratio, offline_optimum, regret_s
from slimbench.bench.plugins.policy_plugin import parse_policy, policy
from slimbench.bench.plugins.registry import find_policies
from slimbench.bench.suites.selection import Selection
from slimbench.bench.suites.suite import Limits
from slimbench.bench.suites.suite_sequences import read_adaptive_suite
from slimbench.formulations import ContradictionError
from slimbench.instances import DISPATCHES

OTHERS = ("static", "replan", "replan-budget", "pay-off", "ftpl", "hindsight")
HEADER = """\
import os, time
import numpy as np
from slimbench.bench import Observation, SolveContext, policy
from slimbench.instances import Placement

"""


@pytest.fixture
def written(tmp_path):
    """Return a writer of a policy ``mine``; it returns the file."""

    def write(body, declared='sees="present"'):
        path = tmp_path / "mine.py"
        path.write_text(
            f'{HEADER}@policy("mine", {declared})\n'
            "def mine(seen: Observation, context: SolveContext) -> Placement:\n"
            f"{textwrap.indent(textwrap.dedent(body), '    ')}\n"
        )
        return path

    return write


@pytest.fixture
def episode(tmp_path, workers):
    """Return a runner of a policy through a sequence."""

    def run(sequence, text, *plugins, time_s=20.0) -> Episode:
        stage = EpisodeRunner(
            sequence, tmp_path / "stage", Limits(time_s=time_s), time_s, tuple(map(str, plugins)), workers
        )
        return stage.run(parse_policy(text, find_policies(plugins)), seed=1)

    return run


def statuses(episode):
    return [step.status for step in episode.steps]


def test_static_and_replan_by_hand(episode):
    """Serving costs 5 s a period with the better expert, 7 s with the other; a fetch 1.5 s, or 2.5 s."""
    cheap, dear = swap(1.5), swap(2.5)
    assert episode(cheap, "static").total_s == pytest.approx(1.5 + 5 + 7)
    assert episode(cheap, "replan").total_s == pytest.approx(1.5 + 5 + 1.5 + 5)
    assert episode(cheap, "pay-off[lookahead=1]").total_s == pytest.approx(13.0)  # 2 s are saved by moving
    assert episode(dear, "replan").total_s == pytest.approx(15.0)
    assert episode(dear, "pay-off[lookahead=1]").total_s == pytest.approx(14.5)
    assert episode(dear, "ftpl[noise=0]").total_s == pytest.approx(11 + 2.5 + 7)  # the past misleads
    assert episode(dear, "replan-budget[budget_mb=0]").total_s == pytest.approx(22.0)
    assert episode(dear, "hindsight").total_s == pytest.approx(14.5)


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_no_policy_beats_the_offline_optimum_and_offline_reaches_it(episode, dispatch):
    sequence = random_sequence(2, dispatch)
    least_s = least_cost_s(sequence)
    others = OTHERS if dispatch == "parallel" else OTHERS[:1]
    episodes = [episode(sequence, text) for text in (*others, "per-period", "offline")]
    optimum = offline_optimum(sequence, episodes)
    assert optimum.closed
    assert optimum.best_s == pytest.approx(least_s, rel=1e-6)
    for one in episodes:
        assert statuses(one) == ["ok"] * sequence.n_periods
        low, high = regret_s(one, optimum)
        assert low == high >= 0
        assert competitive_ratio(one, optimum)[0] >= 1
    per_period, offline = episodes[-2:]
    assert offline.total_s == pytest.approx(least_s, rel=1e-6)
    assert per_period.bound_s <= least_s * (1 + 1e-9)
    open_one = offline_optimum(sequence, [episodes[0], per_period])
    if not open_one.closed:
        low, high = regret_s(episodes[0], open_one)
        assert low <= episodes[0].total_s - least_s <= high


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("raise ValueError('no idea')", "error", "no idea"),
        ("os._exit(3)", "crashed", "exited with code 3"),
        ("time.sleep(600)", "time_limit", "killed"),
        ("return 7", "invalid_placement", "returned int"),
        ("return Placement(np.ones((3, 1), bool))", "invalid_placement", "has shape"),
        ("return Placement(np.ones_like(seen.held.holds))", "invalid_placement", "holds 2 bytes"),
    ],
)
def test_a_policy_that_fails_is_told_so_and_servers_keep_what_they_hold(
    episode, written, body, status, message
):
    """It fails in the second period; what it placed in the first goes on serving there."""
    file = written(f"if seen.period == 0:\n    return Placement(np.array([[True, False]]))\n{body}")
    result = episode(swap(1.5), "mine", file, time_s=1.0)
    assert statuses(result) == ["ok", status]
    assert message in result.steps[1].message
    assert result.failed == (1,)
    assert result.total_s == pytest.approx(1.5 + 5 + 7)


def test_a_policy_is_told_what_it_may_know_and_no_more(episode, written):
    body = """
    known = {"past": seen.period, "present": seen.period + 1, "future": 2}[seen.sees]
    assert len(seen.instances) == len(seen.tokens) == known, known
    assert seen.n_periods == 2
    assert seen.capacities_bytes.tolist() == [1]
    assert seen.fetch_s.shape == (1, 2)
    return Placement(np.zeros((2 if seen.sees == "future" else 1, 2), bool))
    """
    for sees in ("past", "present", "future"):
        assert statuses(episode(swap(1.5), "mine", written(body, f'sees="{sees}"'))) == ["ok", "ok"]
    past = episode(
        swap(1.5), "mine", written("return Placement(seen.present.cloud_latency_s > 9)", 'sees="past"')
    )
    assert "asks for the present" in past.steps[0].message


def test_randomness_starts_each_decision_from_the_same_seed(episode, written):
    body = "return Placement(np.array([[context.rng.random() < 0.5, False]]))"
    result = episode(swap(1.5), "mine", written(body))
    assert result.steps[0].placement == result.steps[1].placement
    assert result.total_s == episode(swap(1.5), "mine", written(body)).total_s


def test_a_bound_above_what_somebody_did_is_a_contradiction(episode, written):
    sequence = swap(1.5)
    lie = "context.report(None, 0.0)\nreturn Placement(np.zeros((2, 2), bool))"  # nothing can be saved
    liar = episode(sequence, "mine", written(lie, 'sees="future", exact=True'))
    assert liar.bound_s == pytest.approx(22.0)
    with pytest.raises(
        ContradictionError, match=r"replan has a verified cost of 13 s, below the bound of 22 s"
    ):
        offline_optimum(sequence, [liar, episode(sequence, "replan")])
    unproven = episode(sequence, "mine", written(lie, 'sees="future"'))
    assert unproven.bound_s is None  # only exact ones are believed


def test_without_a_bound_regret_is_an_interval_from_no_bound(episode):
    sequence = swap(1.5)
    static = episode(sequence, "static")
    optimum = offline_optimum(sequence, [static])
    assert not optimum.closed
    assert regret_s(static, optimum) == (0.0, static.total_s)


def test_a_plan_of_the_whole_horizon_is_checked_period_by_period(episode, written):
    body = "return Placement(np.array([[True, False], [True, True]]))"
    result = episode(swap(1.5), "mine", written(body, 'sees="future"'))
    assert statuses(result) == ["ok", "invalid_placement"]
    result = episode(swap(1.5), "mine", written("return Placement(np.ones((1, 2), bool))", 'sees="future"'))
    assert statuses(result) == ["invalid_placement"] * 2
    assert "periods x servers" in result.steps[0].message


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ({"sees": "everything"}, "expected one of past, present, future"),
        ({"sees": "past", "exact": True}, "expected sees='future'"),
    ],
)
def test_a_declaration_that_is_none_is_refused(declared, problem):
    with pytest.raises(PluginError, match=problem):
        policy("mine", **declared)


def test_a_call_is_read_as_a_solvers_is():
    policies = find_policies()
    assert parse_policy(" pay-off[lookahead=2, solver=slim-sweep[start=slim-dp]] ", policies).label == (
        "pay-off[lookahead=2.0,solver=slim-sweep[start=slim-dp]]"
    )
    for text, problem in (
        ("nobody", "policy 'nobody': unknown"),
        ("static[x=1]", "policy static: parameter 'x': unknown"),
        ("pay-off[lookahead=0]", "policy pay-off: parameter lookahead"),
    ):
        with pytest.raises(PluginError, match=problem):
            parse_policy(text, policies)


def test_a_plugin_file_without_a_policy_is_refused(tmp_path):
    file = tmp_path / "empty.py"
    file.write_text("x = 1\n")
    with pytest.raises(PluginError, match=r"defines no policy, expected a function decorated with @policy"):
        find_policies([file])


def test_noise_is_drawn_from_the_runs_seed(episode):
    sequence = random_sequence(2, "single", 4)
    first, again = (episode(sequence, "ftpl[noise=1]") for _ in range(2))
    assert [s.placement for s in first.steps] == [s.placement for s in again.steps]
    assert not first.steps[0].placement.holds.any()  # nothing is known yet
    assert np.isfinite(first.total_s)


# Seeds


def test_a_policy_s_seed_is_that_of_the_sequence_wherever_it_stands_and_whatever_is_selected(
    tmp_path, monkeypatch
):
    seeds = {}

    class EpisodeRunner:
        def __init__(self, sequence, *_):
            self._name = sequence.name

        def run(self, _call, seed):
            seeds.setdefault(self._name, set()).add(seed)

    monkeypatch.setattr(adaptive_run, "EpisodeRunner", EpisodeRunner)
    monkeypatch.setattr(adaptive_run, "offline_optimum", lambda *_: None)
    entry = (
        '[[sequences]]\nname = "{}"\ndispatch = "single"\nmodels = ["moe-llava-phi2-2.7b-4e"]\nlayers = 1\n'
        'network = {{ servers = 2, users = 2 }}\nrouting = {{ kind = "zipf", tokens = 8 }}\nperiods = 2\n'
        "drift = {{}}\n"
    )
    for names, patterns in (("abc", ()), ("cxab", ()), ("abc", ["b"])):
        file = tmp_path / "suite.toml"
        file.write_text('name = "s"\npolicies = ["static"]\n' + "".join(map(entry.format, names)))
        run = adaptive_run.AdaptiveRun(read_adaptive_suite(str(file)), Selection(datasets=patterns))
        for named, calls in run.plan:
            run._run_sequence(named, calls, tmp_path, None, lambda *_: None)
    assert set(seeds) == set("abcx")
    assert all(len(own) == 1 for own in seeds.values())
    assert len(set.union(*seeds.values())) == 4
