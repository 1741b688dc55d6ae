"""The adversary: it finds what is wrong with bad plugins, says what it searched, and repeats itself."""

from pathlib import Path

import pytest
from oracles import brute_force, plain_saving

from slimbench.bench.attack import search, starts
from slimbench.bench.attack.draft import Limits
from slimbench.bench.attack.evaluator import AttackSettings, Evaluator
from slimbench.bench.attack.findings import described
from slimbench.bench.attack.search import HANGS, Attack
from slimbench.bench.plugins.plugin import parse_call
from slimbench.bench.plugins.registry import find_solvers

EMPTY = "return Placement.empty(instance)"
FULL = "return Placement(np.ones((instance.n_servers, instance.n_experts), bool))"
OPTIMAL = "return best_placement(instance, 10**6)"
ENUMERATION = "from slimbench.formulations.brute_force import best_placement\nimport dataclasses"
SMALL = Limits(servers=2, users=2, models=1, layers=1, experts=4, top_k=1, activations=6)


@pytest.fixture(autouse=True)
def few_candidates(monkeypatch):
    """Let a generation have few instances."""
    monkeypatch.setattr(search, "FIRST_DRAWN", 2)
    monkeypatch.setattr(search, "CHILDREN", 6)


@pytest.fixture
def attacked(workers):
    """Return what attacks a solver: a finished attack and its table."""

    def run(call, *files, rounds=1, seed=0, limits=SMALL, time_limit_s=5.0, on_round=lambda _: None):
        parsed = parse_call(call, find_solvers(files))
        settings = AttackSettings(parsed, files, "single", limits, rounds, seed, time_limit_s, 4096.0, None)
        attack = Attack(settings)
        attack.run(workers, on_round)
        return attack, described(attack, Path("found"))

    return run


def by_kind(table):
    return {kind: finding for finding in table["findings"] for kind in finding["kinds"]}


def guarantee(ratio, expected=False):
    return f"guarantee=Guarantee('mine', 'always', 'none', lambda *_: {ratio}, expected={expected})"


# Ratios


def test_the_worst_ratio_of_a_plugin_that_forgets_a_server_is_found(plugin, attacked):
    """Best placement without the first server: nothing is saved where the others are of no use."""
    body = """
        room = instance.capacities_bytes.copy()
        room[0] = 0
        return best_placement(dataclasses.replace(instance, capacities_bytes=room), 10**6)
    """
    attack, table = attacked("bad", plugin("bad", body, before=ENUMERATION), rounds=2)
    assert by_kind(table)["lowest-ratio"]["ratio"] == 0
    assert table["guarantee"] is None
    assert "smallest-margin" not in by_kind(table)
    assert not attack.broken


def test_a_bound_that_is_tight_is_approached_and_never_passed(plugin, attacked):
    """With one of two servers left empty, the better choice saves half of the optimum at least."""
    body = """
        found = []
        for n in range(instance.n_servers):
            room = np.where(np.arange(instance.n_servers) == n, instance.capacities_bytes, 0)
            found.append(best_placement(dataclasses.replace(instance, capacities_bytes=room), 10**6))
        return max(found, key=lambda placement: evaluate(instance, placement).saving_s)
    """
    half = guarantee("0.5")
    attack, table = attacked("one", plugin("one", body, before=ENUMERATION, options=half), rounds=3)
    lowest, closest = by_kind(table)["lowest-ratio"], by_kind(table)["smallest-margin"]
    assert 0.5 - 1e-9 <= lowest["ratio"] <= 0.501
    assert closest["margin"] == pytest.approx(closest["ratio"] - 0.5)
    assert not attack.broken


def test_a_guarantee_that_depends_on_the_instance_is_searched_for_its_own_smallest_margin(plugin, attacked):
    """Half where there are two servers, nothing promised for one: the lowest ratio is where no promise is."""
    body = f"if instance.n_servers == 1: {EMPTY}\n{OPTIMAL}"
    depends = (
        "guarantee=Guarantee('mine', 'two servers', 'none', "
        "lambda instance, *_: 0.5 if instance.n_servers == 2 else None)"
    )
    attack, table = attacked("odd", plugin("odd", body, before=ENUMERATION, options=depends), rounds=3)
    found = by_kind(table)
    assert found["lowest-ratio"]["ratio"] == 0
    assert found["lowest-ratio"]["guarantee"] is None
    assert found["smallest-margin"]["margin"] == pytest.approx(0.5)
    assert not attack.broken


def test_every_ratio_is_the_placements_own_over_the_optimum_by_brute_force(attacked):
    attack, _ = attacked("random", rounds=2, limits=Limits(servers=2, users=2, models=1, layers=1, experts=4))
    for _, candidate in attack.findings():
        verdict = candidate.verdict
        optimum, _ = brute_force(verdict.instance)
        assert verdict.reference.saving_s == pytest.approx(optimum, rel=1e-9)
        saved = plain_saving(verdict.instance, verdict.placement)
        assert verdict.ratio == pytest.approx(saved / optimum, rel=1e-9)


def test_equal_seeds_find_the_same_and_others_look_elsewhere(attacked):
    _, first = attacked("random", seed=3)
    _, again = attacked("random", seed=3)
    _, other = attacked("random", seed=4)
    assert first == again
    assert first != other


def test_rounds_add_candidates_and_lower_the_ratio_or_leave_it(attacked):
    seen = []
    attacked(
        "popularity",
        rounds=2,
        on_round=lambda now: seen.append((now.counts["candidates"], now.best["lowest-ratio"].verdict.ratio)),
    )
    candidates, ratios = zip(*seen, strict=True)
    assert len(seen) == 3
    assert list(candidates) == sorted(set(candidates))
    assert list(ratios) == sorted(ratios, reverse=True)


@pytest.mark.slow
def test_the_search_itself_gets_far_below_where_it_started_without_any_trap(attacked, monkeypatch):
    monkeypatch.setattr(starts, "traps", lambda *_: [])
    first, last = [], []
    for seed in range(4):
        ratios = []
        attacked(
            "slim-dp",
            rounds=6,
            seed=seed,
            limits=Limits(),
            on_round=lambda now, ratios=ratios: ratios.append(now.best["lowest-ratio"].verdict.ratio),
        )
        first.append(ratios[0])
        last.append(ratios[-1])
    assert 0.5 <= min(last) < min(first) - 0.05


# Broken promises


def test_broken_promises_come_first_and_the_search_goes_on(plugin, attacked):
    body = f"if instance.n_servers == 2: {FULL}\n{EMPTY}"
    attack, table = attacked("bad", plugin("bad", body), rounds=0)
    assert attack.broken
    assert table["broken"]
    assert [finding["kinds"] for finding in table["findings"]] == [["infeasible"], ["lowest-ratio"]]
    assert "bytes, expected at most" in table["findings"][0]["fault"]


def test_a_hang_is_cut_short_and_ends_the_search_after_a_few(plugin, attacked):
    body = f"while instance.n_servers == 2: pass\n{EMPTY}"
    attack, table = attacked("slow", plugin("slow", body), rounds=50, time_limit_s=0.0)
    assert by_kind(table)["hang"]["fault"].startswith("time_limit: killed ")
    assert attack.counts["hang"] == HANGS
    assert table["ended"] == f"{HANGS} hangs"


def test_a_broken_guarantee_is_kept_where_it_is_broken_worst(plugin, attacked):
    body = f"if instance.n_activations > 2: {EMPTY}\n{OPTIMAL}"
    _, table = attacked("bad", plugin("bad", body, before=ENUMERATION, options=guarantee("0.9")))
    assert by_kind(table)["guarantee"]["ratio"] == 0
    assert by_kind(table)["guarantee"] == by_kind(table)["smallest-margin"]


def test_declining_an_instance_breaks_no_promise_and_is_counted(plugin, attacked):
    body = f"if instance.n_servers == 2: raise NoSolutionError('one at most')\n{EMPTY}"
    attack, table = attacked("shy", plugin("shy", body), rounds=0)
    assert not attack.broken
    assert 0 < table["declined"] < table["candidates"]
    assert table["rated"] + table["declined"] == table["candidates"]


def test_candidates_of_open_optimum_are_counted_and_give_no_ratio(attacked, monkeypatch):
    nobody = parse_call("popularity", find_solvers())  # proves nothing
    monkeypatch.setattr(Evaluator, "_reference_call", lambda *_: nobody)
    attack, table = attacked("slim-dp", rounds=0)
    assert table["open"] == table["candidates"] > 0
    assert table["rated"] == 0
    assert attack.findings() == []
