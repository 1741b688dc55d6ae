"""What counts as a record, what records prove, and what refutes a bound."""

import msgspec
import pytest
from libraries import OPTIMUM_S, RECIPE, WORSE_S, small_library
from refusals import refusal

from slimbench.bench.library.records import (
    best_of,
    described,
    new_entry,
    record_fault,
    reference_of_entry,
    refutations,
    with_best,
    with_bound,
)
from slimbench.formulations import ContradictionError
from slimbench.instances import Placement
from slimbench.instances.library.index import Best, Bound


def found(saving_s, by="a", date="2026-01-01"):
    return Best(saving_s=saving_s, latency_s=1 - saving_s, placement="0" * 64, by=by, version="", date=date)


def claim(saving_s, by="exact", library="prices+highspy", date="2026-01-01"):
    return Bound(saving_s=saving_s, by=by, library=library, version="", date=date)


@pytest.fixture
def entry(tmp_path):
    """Return an entry without records."""
    return small_library(tmp_path).entry("two-cells")


# Placements


def test_a_placement_is_evaluated_and_must_fit(tmp_path):
    library = small_library(tmp_path)
    instance = library.instance(library.entry("two-cells"))
    best = best_of(instance, Placement.of(instance, {0: [(0, 0, 0), (0, 0, 1)], 1: [(0, 0, 2)]}), "A. Name")
    assert best.saving_s == pytest.approx(OPTIMUM_S, rel=1e-12)
    assert best.latency_s == pytest.approx(0.11 - OPTIMUM_S, rel=1e-12)
    too_much = Placement.of(instance, {1: [(0, 0, 0), (0, 0, 1)]})
    assert "server edge-1 holds 2 bytes, expected at most 1" in refusal(
        lambda: best_of(instance, too_much, "A. Name")
    )


def test_only_a_placement_that_is_better_by_more_than_rounding_counts(entry):
    entry = with_best(entry, found(0.5))
    assert with_best(entry, found(0.5)) is entry
    assert with_best(entry, found(0.4)) is entry
    assert with_best(entry, found(0.5 * (1 + 0.9e-9))) is entry
    better = with_best(entry, found(0.5 * (1 + 1.1e-9), by="b"))
    assert better.best.by == "b"
    assert [(f.by, f.saving_s) for f in better.history] == [("a", 0.5)]


def test_where_nothing_can_be_saved_nothing_is_better(entry):
    entry = with_best(entry, found(0.0))
    assert entry.best.saving_s == 0
    assert with_best(entry, found(0.0)) is entry
    optimal = with_bound(entry, claim(0.0))
    assert described(optimal)["status"] == "optimal"
    assert described(optimal)["gap"] == 0


# Bounds


def test_the_least_bound_counts_and_those_above_it_are_dropped(entry):
    entry = with_bound(with_best(entry, found(0.5)), claim(0.6))
    assert described(entry)["gap"] == pytest.approx(0.1 / 0.6)
    assert with_bound(entry, claim(0.7)) is entry
    entry = with_bound(entry, claim(0.55, by="milp", library="ortools"))
    assert [b.by for b in entry.bounds] == ["milp"]
    row = described(entry)
    assert (row["bound_saving_s"], row["status"], row["level"]) == (0.55, "open", "claimed")


def test_two_proofs_check_each_other_only_if_they_share_no_code(entry):
    entry = with_bound(with_best(entry, found(0.5)), claim(0.5))
    assert (described(entry)["status"], described(entry)["level"]) == ("optimal", "claimed")
    same_code = with_bound(entry, claim(0.5, by="milp", library="highspy"))
    assert described(same_code)["level"] == "claimed"
    other_code = with_bound(same_code, claim(0.5 * (1 + 1e-7), by="milp[backend=scip]", library="ortools"))
    assert described(other_code)["level"] == "cross-checked"
    enumerated = with_bound(other_code, claim(0.5, by="brute-force", library="brute-force"))
    assert described(enumerated)["level"] == "certified"
    assert described(enumerated)["bounded_by"] == ["exact", "milp", "milp[backend=scip]", "brute-force"]


def test_two_equal_bounds_above_the_best_placement_prove_no_optimum(entry):
    entry = with_bound(with_best(entry, found(0.4)), claim(0.5))
    entry = with_bound(entry, claim(0.5, by="milp", library="ortools"))
    assert (described(entry)["status"], described(entry)["level"]) == ("open", "claimed")
    improved = with_best(entry, found(0.5))
    assert (described(improved)["status"], described(improved)["level"]) == ("optimal", "cross-checked")


# Contradictions


def test_a_placement_above_a_bound_refutes_it_and_it_counts_no_more(entry):
    entry = with_bound(with_best(entry, found(0.4)), claim(0.5))
    better = with_best(entry, found(0.6, by="b"))
    (line,) = refutations(entry, better)
    assert "a verified placement of b saves 0.6 s, above the bound of 0.5 s that exact claims" in line
    row = described(better)
    assert (row["saving_s"], row["bound_saving_s"], row["status"], row["refuted"]) == (
        0.6,
        None,
        "open",
        ["exact"],
    )
    assert refutations(better, with_best(better, found(0.7))) == []


def test_a_bound_below_the_best_placement_is_refuted_as_it_comes_and_replaces_none(entry):
    entry = with_bound(with_best(entry, found(0.5)), claim(0.6))
    after = with_bound(entry, claim(0.4))
    assert len(refutations(entry, after)) == 1
    assert described(after)["bound_saving_s"] == 0.6
    assert with_bound(after, claim(0.4)) is after
    assert described(with_bound(after, claim(0.5, date="2026-01-02")))["status"] == "optimal"


def test_a_placement_above_a_bound_by_rounding_is_no_contradiction(entry):
    entry = with_bound(entry, claim(0.5))
    after = with_best(entry, found(0.5 * (1 + 0.9e-6)))
    assert refutations(entry, after) == []
    assert described(after)["bound_saving_s"] == after.best.saving_s
    assert refutations(entry, with_best(entry, found(0.5 * (1 + 1.1e-6)))) != []


def test_an_index_that_contradicts_itself_is_told(entry):
    forged = msgspec.structs.replace(entry, best=found(0.6), bounds=(claim(0.5),))
    with pytest.raises(ContradictionError, match=r"two-cells: a has a verified saving of 0\.6 s, above"):
        reference_of_entry(forged)


# New entries, and checking


def test_a_new_entry_says_what_the_instance_is(tmp_path):
    entry = new_entry(small_library(tmp_path), "another", "large", RECIPE)
    facts = entry.facts
    assert (entry.size, facts.dispatch, facts.servers, facts.users) == ("large", "serial", 2, 3)
    assert (facts.models, facts.layers, facts.experts, facts.top_k) == (("switch-base-8",), 1, 8, 1)


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [("../up", "small", "name"), ("a b", "small", "name"), ("fine", "tiny", "size")],
)
def test_a_new_entry_with_a_bad_name_or_size_is_refused(name, size, words, tmp_path):
    library = small_library(tmp_path)
    assert words in refusal(lambda: new_entry(library, name, size, RECIPE))


def test_what_the_index_says_of_a_placement_is_held_against_it(tmp_path):
    library = small_library(tmp_path)
    entry = library.entry("two-cells")
    instance = library.instance(entry)
    placement = Placement.of(instance, {0: [(0, 0, 0), (0, 0, 1)]})
    assert record_fault(entry, instance, None) is None
    right = with_best(entry, best_of(instance, placement, "a"))
    assert right.best.saving_s == pytest.approx(WORSE_S, rel=1e-12)
    assert record_fault(right, instance, placement) is None
    wrong = with_best(entry, found(0.2))
    assert "best.saving_s is 0.2, its placement gives 0.0" in record_fault(wrong, instance, placement)
    too_much = Placement.of(instance, {1: [(0, 0, 0), (0, 0, 1)]})
    assert "edge-1 holds 2 bytes" in record_fault(right, instance, too_much)
    assert "facts are not those" in record_fault(library.entry("drawn"), instance, None)
