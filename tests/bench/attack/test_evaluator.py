"""One candidate: the ratio to a proven optimum, and every kind of promise that a plugin can break."""

import pytest
from samples import TWO_CELLS_OPTIMA_S, random_instance, two_cells

from slimbench.bench.attack.draft import Limits
from slimbench.bench.attack.evaluator import AttackSettings, Evaluator
from slimbench.bench.plugins.plugin import parse_call
from slimbench.bench.plugins.registry import find_solvers
from slimbench.instances import DISPATCHES

EMPTY = "return Placement.empty(instance)"
FULL = "return Placement(np.ones((instance.n_servers, instance.n_experts), bool))"


@pytest.fixture
def tried(workers, tmp_path):
    """Return what runs a solver on an instance: ``tried("slim-dp", instance)``."""

    def run(call, instance, *files, time_limit_s=5.0):
        parsed = parse_call(call, find_solvers(files))
        settings = AttackSettings(parsed, files, "single", Limits(), 0, 0, time_limit_s, 4096.0, None)
        return Evaluator(settings, workers, tmp_path).evaluate(instance)

    return run


def guarantee(ratio, expected=False):
    return f"guarantee=Guarantee('mine', 'always', 'none', lambda *_: {ratio}, expected={expected})"


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_a_tiny_instance_is_certified_by_enumeration(tried, dispatch):
    verdict = tried("slim-dp", two_cells(dispatch))
    none = 0.2 if dispatch == "serial" else 0.11
    assert (verdict.reference_solver, verdict.reference.level, verdict.reference.closed) == (
        "brute-force",
        "certified",
        True,
    )
    assert verdict.reference.saving_s == pytest.approx(none - TWO_CELLS_OPTIMA_S[dispatch])
    assert verdict.ratio == pytest.approx(verdict.row["saving_s"] / verdict.reference.saving_s)
    assert verdict.guarantee == (None if dispatch == "parallel" else 0.5)
    assert verdict.fault is None


def test_a_larger_one_is_left_to_exact_and_its_proof_to_one_code_base(tried):
    verdict = tried("popularity", random_instance(1, servers=3, experts=6))
    assert (verdict.reference_solver, verdict.reference.level, verdict.reference.closed) == (
        "exact",
        "claimed",
        True,
    )
    assert 0 < verdict.ratio <= 1
    assert verdict.guarantee is verdict.margin is None


def test_where_nothing_can_be_saved_the_ratio_is_1(tried):
    verdict = tried("popularity", random_instance(1, servers=1, unreachable=1.0))
    assert (verdict.reference.saving_s, verdict.ratio) == (0, 1)


@pytest.mark.parametrize(
    ("body", "options", "kind", "words"),
    [
        (FULL, "", "infeasible", "bytes, expected at most"),
        ("return Placement(np.zeros((1, 1), bool))", "", "infeasible", "has shape (1, 1)"),
        ("return 7", "", "infeasible", "returned int, expected Placement"),
        ("raise ValueError('not today')", "", "crash", "ValueError: not today"),
        ("os._exit(3)", "", "crash", "exited with code 3"),
        ("os.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(60)", "", "crash", "died"),
        (f"context.report(None, 1e-9)\n{EMPTY}", "", "claim", "claims the bound 1e-09 s"),
        (f"context.report(Placement.empty(instance), optimal=True)\n{EMPTY}", "", "claim", "the bound 0 s"),
        (EMPTY, guarantee("0.5"), "guarantee", "saving / optimum is 0.000000, guaranteed 0.500000"),
        (EMPTY, guarantee("float('nan')"), "claim", "its guarantee is nan"),
        (EMPTY, guarantee("'half'"), "claim", "its guarantee is 'half'"),
        (EMPTY, guarantee("1 / 0"), "claim", "its guarantee raises ZeroDivisionError"),
    ],
)
def test_a_broken_promise_is_named(tried, plugin, body, options, kind, words):
    verdict = tried("bad", two_cells(), plugin("bad", body, options=options))
    assert verdict.fault.kind == kind
    assert words in verdict.fault.detail
    assert verdict.optimum is not None


def test_a_hang_is_killed_at_its_limit(tried, plugin):
    verdict = tried("slow", two_cells(), plugin("slow", "while True: pass"), time_limit_s=0.0)
    assert verdict.fault.kind == "hang"
    assert verdict.ratio is None


def test_a_guarantee_in_the_mean_over_seeds_is_not_held_against_one_run(tried, plugin):
    verdict = tried("mean", two_cells(), plugin("mean", EMPTY, options=guarantee("0.5", expected=True)))
    assert (verdict.fault, verdict.guarantee, verdict.ratio) == (None, None, 0)


def test_declining_is_no_fault(tried, plugin):
    verdict = tried("shy", two_cells(), plugin("shy", "raise NoSolutionError('too small')"))
    assert (verdict.row["status"], verdict.fault, verdict.ratio, verdict.reference.closed) == (
        "no_solution",
        None,
        None,
        True,
    )


def test_a_placement_above_the_references_bound_is_a_contradiction(tried, plugin, monkeypatch, tmp_path):
    liar = plugin("liar", f"context.report(None, 1e-9)\n{EMPTY}", options="exact=True")
    call = parse_call("liar", find_solvers([liar]))
    monkeypatch.setattr(Evaluator, "_reference_call", lambda *_: call)
    monkeypatch.setattr(Evaluator, "_run", _with_plugin(Evaluator._run, str(liar)))
    verdict = tried("slim-dp", two_cells())
    assert verdict.fault.kind == "contradiction"
    assert "above the bound of 1e-09 s that liar claims" in verdict.fault.detail
    assert verdict.ratio is None


def _with_plugin(run, file):
    """Every run with a plugin loaded; the reference takes none otherwise."""
    return lambda self, instance, call, _, limit: run(self, instance, call, (file,), limit)
