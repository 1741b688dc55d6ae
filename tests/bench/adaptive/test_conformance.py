"""The kit that every policy must pass, held against good policies and against bad ones of each kind."""

import textwrap

import pytest

from slimbench.bench.adaptive import conformance
from slimbench.bench.adaptive.conformance import check_policy
from slimbench.bench.plugins.policy_plugin import parse_policy
from slimbench.bench.plugins.registry import find_policies

SHIPPED = find_policies()
DEMANDS = ("feasible", "seed", "deadline", "bound")
HEADER = """\
import numpy as np
from slimbench.bench import Observation, SolveContext, policy
from slimbench.instances import Placement

"""


@pytest.fixture
def small_kit(monkeypatch):
    """Leave one dispatch of three, and little time for the large sequence."""
    monkeypatch.setattr(conformance, "DISPATCHES", ("single",))
    monkeypatch.setattr(conformance, "DEADLINE_S", 0.5)


@pytest.fixture
def checked(tmp_path):
    """Return a checker of a policy with this body: the failures, and what no run showed, by demand."""

    def check(body, declared='sees="present"'):
        path = tmp_path / "mine.py"
        path.write_text(
            f'{HEADER}@policy("mine", {declared})\n'
            "def mine(seen: Observation, context: SolveContext) -> Placement:\n"
            f"{textwrap.indent(body, '    ')}\n"
        )
        return results("mine", path)

    return check


def results(call, *files):
    checks = check_policy(parse_policy(call, find_policies(files)), files)
    assert all(word in check.demand for word, check in zip(DEMANDS, checks, strict=True))
    failures = {word: c.failures for word, c in zip(DEMANDS, checks, strict=True) if c.failures}
    return failures, {w: c.not_shown for w, c in zip(DEMANDS, checks, strict=True) if c.not_shown}


@pytest.mark.parametrize(
    "call", [pytest.param(name, marks=() if name == "static" else pytest.mark.slow) for name in SHIPPED]
)
def test_shipped_policies_pass(call):
    assert results(call)[0] == {}


def test_a_placement_that_does_not_fit_fails(checked, small_kit):
    failures, _ = checked("return Placement(np.ones_like(seen.held.holds))")
    assert any(
        line.startswith("no-room-single: period 0: invalid_placement") for line in failures["feasible"]
    )


def test_a_policy_that_forgets_that_a_server_failed_fails_in_that_period_alone(checked, small_kit):
    body = "holds = np.zeros_like(seen.held.holds)\nholds[0, 0] = seen.period or seen.capacities_bytes[0]\n"
    failures, _ = checked(f"{body}return Placement(holds)")
    assert failures.keys() == {"feasible"}
    assert [line[:25] for line in failures["feasible"]] == [
        "outage-single: period 1: ", "no-room-single: period 1:",
    ]  # fmt: skip


def test_randomness_that_is_not_the_contexts_fails(checked, small_kit):
    body = "order = np.random.default_rng().permutation(seen.held.holds.shape[1])\n"
    body += "holds = seen.nothing().holds.copy()\nfor n, room in enumerate(seen.capacities_bytes):\n"
    body += "    holds[n, order] = np.cumsum(seen.expert_bytes[order]) <= room\nreturn Placement(holds)"
    failures, _ = checked(body)
    assert failures.keys() == {"seed"}


def test_a_policy_over_its_deadline_fails(checked, small_kit):
    failures, _ = checked("while seen.held.holds.shape[1] > 100: pass\nreturn seen.nothing()")
    assert failures.keys() == {"deadline"}
    assert failures["deadline"][0].startswith("time_limit: killed ")


def test_a_bound_above_the_optimum_fails(checked, small_kit):
    """It claims that nothing can be saved."""
    body = "context.report(None, 1e-9)\nfirst = seen.nothing().holds\n"
    body += "return Placement(np.concatenate([first] * seen.n_periods))"
    failures, _ = checked(body, 'sees="future", bounds=True')
    assert failures.keys() == {"bound"}
    assert any(line.startswith("free-moves-single: bound ") for line in failures["bound"])
    assert not any(line.startswith("no-room") for line in failures["bound"])


def test_what_no_run_could_show_is_not_called_ok(checked, small_kit):
    failures, not_shown = checked("raise ValueError('not today')")
    assert failures.keys() == {"feasible"}
    assert not_shown == {
        "seed": "no decision gave a placement",
        "deadline": "error: ValueError: not today",
        "bound": "no episode claimed a bound",
    }


def test_check_takes_a_policy(command):
    ended = command("check", "static", "--policy")
    assert ended.code == 0
    assert "ok   returns feasible placements\n" in ended.out
    assert (
        "--   claims no bound above the offline optimum: not shown, no episode claimed a bound" in ended.out
    )
    assert command("check", "nobody", "--policy").code == 2
