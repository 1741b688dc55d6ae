"""The kit that every plugin must pass, held against good plugins and against bad ones of each kind."""

import pytest

from slimbench.bench.execution import conformance
from slimbench.bench.execution.conformance import check_solver
from slimbench.bench.plugins.plugin import parse_call
from slimbench.bench.plugins.registry import find_solvers

SHIPPED = find_solvers()
DEMANDS = ("feasible", "seed", "deadline", "guarantee", "bound")
EMPTY = "return Placement.empty(instance)"
FULL = "np.ones((instance.n_servers, instance.n_experts), bool)"


@pytest.fixture
def small_kit(monkeypatch):
    """Leave one dispatch of three, and little time for the large instance."""
    monkeypatch.setattr(conformance, "DISPATCHES", ("single",))
    monkeypatch.setattr(conformance, "DEADLINE_S", 0.3)
    conformance._optima.cache_clear()
    yield
    conformance._optima.cache_clear()


def failed(call, *files):
    """What of the kit a solver fails, by the word of each demand, with the kit's lines."""
    checks = check_solver(parse_call(call, find_solvers(files)), files)
    assert all(word in check.demand for word, check in zip(DEMANDS, checks, strict=True))
    return {word: check.failures for word, check in zip(DEMANDS, checks, strict=True) if check.failures}


def not_shown(call, *files):
    """Why demands were not put to the test, by the word of each."""
    checks = check_solver(parse_call(call, find_solvers(files)), files)
    return {w: c.not_shown for w, c in zip(DEMANDS, checks, strict=True) if c.not_shown and not c.failures}


def test_what_no_run_could_show_is_not_called_ok(plugin, small_kit):
    half = "guarantee=Guarantee('1/2', 'always', 'none', lambda *_: 0.5)"
    never = plugin("never", "raise ValueError('not today')", options=half)
    assert not_shown("never", never) == {
        "seed": "no run gave a placement",
        "deadline": "error: ValueError: not today",
        "guarantee": "no run gave a placement where its conditions hold",
        "bound": "no run claimed a bound",
    }


@pytest.mark.parametrize(
    "call", [pytest.param(name, marks=() if name == "slim-sweep" else pytest.mark.slow) for name in SHIPPED]
)
def test_shipped_solvers_pass(call):
    """Also an exact one that declines the large instance."""
    assert failed(call) == {}


def test_a_placement_that_does_not_fit_fails_wherever_there_is_not_room_for_all(plugin, small_kit):
    lines = failed("bad", plugin("bad", f"return Placement({FULL})"))["feasible"]
    assert "tiny-single: invalid_placement: server edge-0 holds 6 bytes, expected at most 2" in lines
    assert any(line.startswith("no-room-") for line in lines)
    assert not any(line.startswith("all-fits-") for line in lines)


def test_a_crash_on_the_large_instance_alone_fails(plugin, small_kit):
    body = f"if instance.n_activations > 1000: os._exit(1)\n{EMPTY}"
    assert failed("bad", plugin("bad", body)) == {
        "feasible": ("large: crashed: exited with code 1 before it returned a placement",)
    }


def test_randomness_that_is_not_the_contexts_fails(plugin, small_kit):
    body = (
        "rng = np.random.default_rng()\n"
        f"holds = {FULL}\n"
        "for n, room in enumerate(instance.capacities_bytes):\n"
        "    order = rng.permutation(instance.n_experts)\n"
        "    holds[n, order] = np.cumsum(instance.expert_bytes[order]) <= room\n"
        "return Placement(holds)"
    )
    found = failed("bad", plugin("bad", body))
    assert found.keys() == {"seed"}
    assert found["seed"][0].endswith(": two runs with one seed placed differently")


def test_a_solver_over_its_deadline_fails(plugin, small_kit):
    found = failed("bad", plugin("bad", f"while instance.n_activations > 1000: pass\n{EMPTY}"))
    assert found.keys() == {"deadline"}
    assert found["deadline"][0].startswith("time_limit: killed ")


def test_a_guarantee_that_is_not_kept_fails_with_the_ratio_on_each_instance(plugin, small_kit):
    half = "guarantee=Guarantee('1/2', 'always', 'none', lambda *_: 0.5)"
    found = failed("bad", plugin("bad", EMPTY, options=half))
    assert found.keys() == {"guarantee"}
    assert "tiny-single: saving / optimum is 0.000000, guaranteed 0.500000" in found["guarantee"]
    nothing_to_gain = ("no-room", "out-of-reach", "no-demand")
    assert not any(line.startswith(nothing_to_gain) for line in found["guarantee"])


def test_a_guarantee_whose_conditions_do_not_hold_is_not_held_against_a_plugin(plugin, small_kit):
    never = "guarantee=Guarantee('1/2', 'never', 'none', lambda *_: None)"
    assert failed("bad", plugin("bad", EMPTY, options=never)) == {}


def test_a_bound_below_the_optimum_fails(plugin, small_kit):
    found = failed("bad", plugin("bad", f"context.report(None, 1e-9)\n{EMPTY}"))
    assert found.keys() == {"bound"}
    assert any(line.startswith("tiny-single: bound 1e-09 s, optimum 0.") for line in found["bound"])
    assert not any(line.startswith(("no-room", "out-of-reach", "no-demand")) for line in found["bound"])


def test_a_plugin_that_raises_fails_and_the_exception_is_shown(plugin, small_kit):
    found = failed("bad", plugin("bad", "raise ValueError('not today')"))
    assert "tiny-single: error: ValueError: not today" in found["feasible"]
