"""One candidate: the ratio to a proven optimum, and every kind of promise that a plugin can break."""

import pytest
from samples import TWO_CELLS_OPTIMA_S, random_instance, two_cells

from slimbench.bench.attack.trial import Laboratory
from slimbench.bench.plugins.plugin import parse_call
from slimbench.bench.plugins.registry import find_solvers
from slimbench.instances import DISPATCHES

EMPTY = "return Placement.empty(instance)"
FULL = "return Placement(np.ones((instance.n_servers, instance.n_experts), bool))"


@pytest.fixture
def tried(workers, tmp_path):
    """Return what runs a solver on an instance: ``tried("slim-dp", instance)``."""

    def run(call, instance, *files, time_limit_s=5.0):
        parsed, names = parse_call(call, find_solvers(files)), tuple(map(str, files))
        return Laboratory(parsed, names, 0, time_limit_s, 4096.0, workers, tmp_path).try_out(instance)

    return run


def guarantee(ratio, expected=False):
    return f"guarantee=Guarantee('mine', 'always', 'none', lambda *_: {ratio}, expected={expected})"


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_a_tiny_instance_is_certified_by_enumeration(tried, dispatch):
    trial = tried("slim-dp", two_cells(dispatch))
    none = 0.2 if dispatch == "serial" else 0.11
    assert (trial.reference, trial.level, trial.closed) == ("brute-force", "certified", True)
    assert trial.optimum_s == pytest.approx(none - TWO_CELLS_OPTIMA_S[dispatch])
    assert trial.ratio == pytest.approx(trial.saving_s / trial.optimum_s)
    assert trial.guarantee == (None if dispatch == "parallel" else 0.5)
    assert trial.fault is None


def test_a_larger_one_is_left_to_exact_and_its_proof_to_one_code_base(tried):
    trial = tried("popularity", random_instance(1, servers=3, experts=6))
    assert (trial.reference, trial.level, trial.closed) == ("exact", "claimed", True)
    assert 0 < trial.ratio <= 1
    assert trial.guarantee is trial.margin is None


def test_where_nothing_can_be_saved_the_ratio_is_1(tried):
    trial = tried("popularity", random_instance(1, servers=1, unreachable=1.0))
    assert (trial.optimum_s, trial.ratio) == (0, 1)


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
    trial = tried("bad", two_cells(), plugin("bad", body, options=options))
    assert trial.fault.kind == kind
    assert words in trial.fault.detail
    assert trial.optimum is not None


def test_a_hang_is_killed_at_its_limit(tried, plugin):
    trial = tried("slow", two_cells(), plugin("slow", "while True: pass"), time_limit_s=0.0)
    assert trial.fault.kind == "hang"
    assert trial.ratio is None


def test_a_guarantee_in_the_mean_over_seeds_is_not_held_against_one_run(tried, plugin):
    trial = tried("mean", two_cells(), plugin("mean", EMPTY, options=guarantee("0.5", expected=True)))
    assert (trial.fault, trial.guarantee, trial.ratio) == (None, None, 0)


def test_declining_is_no_fault(tried, plugin):
    trial = tried("shy", two_cells(), plugin("shy", "raise NoSolutionError('too small')"))
    assert (trial.status, trial.fault, trial.ratio, trial.closed) == ("no_solution", None, None, True)


def test_a_placement_above_the_references_bound_is_a_contradiction(tried, plugin, monkeypatch, tmp_path):
    liar = plugin("liar", f"context.report(None, 1e-9)\n{EMPTY}", options="exact=True")
    call = parse_call("liar", find_solvers([liar]))
    monkeypatch.setattr(Laboratory, "_reference_call", lambda *_: call)
    monkeypatch.setattr(Laboratory, "_run", _with_plugin(Laboratory._run, str(liar)))
    trial = tried("slim-dp", two_cells())
    assert trial.fault.kind == "contradiction"
    assert "above the bound of 1e-09 s that liar claims" in trial.fault.detail
    assert trial.ratio is None


def _with_plugin(run, file):
    """Every run with a plugin loaded; the reference takes none otherwise."""
    return lambda self, path, instance, call, _, limit: run(self, path, instance, call, (file,), limit)
