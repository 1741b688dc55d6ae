"""``library``: list, show, make, verify, submit, update, add and page."""

import json
import os
from pathlib import Path

import pytest
from command_line import assert_bad_input, one_object
from libraries import (
    OPTIMAL,
    OPTIMUM_S,
    TOO_MUCH,
    WORSE,
    WORSE_S,
    index_document,
    rewrite_index,
    small_library,
    write_placement_file,
)
from samples import TWO_CELLS

from slimbench.bench.library_verification import faults_of
from slimbench.instances import read_instance
from slimbench.instances.library import PLACEMENTS, read_library
from slimbench.instances.library_changes import today
from slimbench.instances.library_index import INDEX_NAME

PAGE = Path(__file__).parents[2] / "docs" / "LIBRARY.md"


@pytest.fixture
def library(tmp_path, command):
    """Return what runs a verb on a library of ``drawn`` and ``two-cells``; its folder is ``own``."""
    small_library(tmp_path / "own")

    def run(verb, *arguments):
        return command("library", verb, *arguments, "--library", tmp_path / "own")

    return run


@pytest.fixture
def submit(library, tmp_path):
    """Return what submits a placement of two-cells."""

    def run(document, by="A. Name"):
        file = write_placement_file(tmp_path / "placement.json", document)
        return library("submit", "two-cells", file, "--by", by)

    return run


def records(tmp_path):
    return index_document(tmp_path / "own")["instances"][1]


def set_bound(tmp_path, saving_s):
    """As if ``exact`` had claimed it."""
    document = index_document(tmp_path / "own")
    bound = {"saving_s": saving_s, "by": "exact", "library": "prices+highspy", "version": "", "date": today()}
    document["instances"][1]["bounds"] = [bound]
    rewrite_index(tmp_path / "own", document)


# What is there


def test_list_shows_all_or_those_asked_for(library):
    rows = one_object(library("list", "--json").out)
    assert rows["release"] == "test.1"
    assert [(row["name"], row["size"], row["dispatch"]) for row in rows["instances"]] == [
        ("drawn", "medium", "serial"),
        ("two-cells", "small", "single"),
    ]
    for arguments, names in [
        (["small/*"], ["two-cells"]),
        (["two-cells", "drawn"], ["drawn", "two-cells"]),
        (["--size", "medium"], ["drawn"]),
        (["--dispatch", "single"], ["two-cells"]),
        (["--status", "optimal"], []),
        (["--status", "open", "--size", "small"], ["two-cells"]),
    ]:
        found = one_object(library("list", *arguments, "--json").out)["instances"]
        assert [row["name"] for row in found] == names
    table = library("list").out
    assert "library test.1, 2 instances" in table
    assert "two-cells" in table


def test_list_refuses_what_matches_nothing(library):
    assert_bad_input(library("list", "none-*"), "nothing matches 'none-*'")
    for option in ("--size", "--status", "--dispatch"):
        assert library("list", option, "odd").code == 2


def test_show_says_what_is_known(library, submit):
    submit(WORSE)
    row = one_object(library("show", "two-cells", "--json").out)
    assert (row["saving_s"], row["found_by"], row["found"]) == (
        pytest.approx(WORSE_S),
        "A. Name",
        today(),
    )
    assert (row["status"], row["level"], row["source"]) == ("open", "none", "two-cells.json")
    assert "A. Name" in library("show", "two-cells").out
    assert_bad_input(library("show", "nothing"), "has no instance 'nothing'")


def test_make_writes_the_instance_and_its_best_placement(library, submit, tmp_path, command):
    submit(OPTIMAL)
    instance, placement = tmp_path / "made.json.gz", tmp_path / "best.json"
    assert library("make", "two-cells", instance, "--placement", placement).code == 0
    assert read_instance(instance).sha256 == records(tmp_path)["sha256"]
    worth = one_object(command("evaluate", instance, placement, "--json").out)
    assert worth["saving_s"] == pytest.approx(OPTIMUM_S)
    assert_bad_input(
        library("make", "drawn", tmp_path / "drawn.npz", "--placement", placement), "no placement of drawn"
    )


# Submitting


def test_a_better_placement_counts_under_the_name_of_who_found_it(submit, tmp_path):
    first = submit(WORSE)
    assert first.code == 0
    assert "0.045 s by A. Name is the best known saving" in first.out
    assert submit(OPTIMAL, by="B. Name").code == 0
    entry = records(tmp_path)
    assert (entry["best"]["by"], entry["best"]["saving_s"]) == ("B. Name", pytest.approx(OPTIMUM_S))
    assert [found["by"] for found in entry["history"]] == ["A. Name"]
    assert len(list((tmp_path / "own" / PLACEMENTS).iterdir())) == 1


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (WORSE, "saves 0.045 s, expected more than the best known, 0.059 s"),
        (OPTIMAL, "saves 0.059 s, expected more than the best known, 0.059 s"),
        (TOO_MUCH, "server edge-1 holds 2 bytes, expected at most 1"),
        (OPTIMAL | {"instance": "other"}, "instance: is 'other', expected 'two-cells'"),
        (OPTIMAL | {"experts": {"edge-0": [[0, 0, 9]]}}, "experts.edge-0[0]: is [0, 0, 9]"),
        ({}, "format"),
    ],
)
def test_what_is_not_better_or_does_not_fit_changes_nothing(document, words, submit, tmp_path):
    submit(OPTIMAL)
    before = (tmp_path / "own" / INDEX_NAME).read_bytes()
    assert_bad_input(submit(document), words)
    assert (tmp_path / "own" / INDEX_NAME).read_bytes() == before
    assert len(list((tmp_path / "own" / PLACEMENTS).iterdir())) == 1


@pytest.mark.parametrize("by", ["", "two\nlines", "x" * 101])
def test_a_name_that_cannot_be_shown_is_refused(by, submit, tmp_path):
    assert_bad_input(submit(OPTIMAL, by=by), "by")
    assert "best" not in records(tmp_path)
    assert list((tmp_path / "own" / PLACEMENTS).iterdir()) == []


def test_a_placement_above_the_bound_is_a_contradiction_and_the_bound_is_marked(submit, library, tmp_path):
    submit(WORSE)
    set_bound(tmp_path, 0.05)
    ended = submit(OPTIMAL)
    assert ended.code == 1
    assert "contradiction: two-cells: a verified placement of A. Name saves 0.059 s" in ended.err
    assert "above the bound of 0.05 s that exact claims" in ended.err
    row = one_object(library("show", "two-cells", "--json").out)
    assert (row["saving_s"], row["bound_saving_s"], row["refuted"]) == (
        pytest.approx(OPTIMUM_S),
        None,
        ["exact"],
    )
    assert library("verify").code == 0


def test_a_library_that_cannot_be_written_says_what_to_do(submit, monkeypatch, tmp_path):
    access = os.access
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK and access(path, mode))
    assert_bad_input(submit(OPTIMAL), "cannot be written; copy that folder and name the copy by --library")
    assert "best" not in records(tmp_path)


# Solvers at work


def test_update_keeps_what_is_better_and_several_solvers_check_each_other(library, submit, tmp_path):
    submit(WORSE)
    ended = library("update", "small/*", "-s", "exact", "-s", "milp[backend=scip]", "--time", "20")
    assert (ended.code, ended.err) == (0, "")
    first, second = ended.out.splitlines()
    assert first.startswith("two-cells: exact ok in ")
    assert first.endswith(": better; gap 0 %, optimal, claimed")
    assert second.endswith(": better; gap 0 %, optimal, cross-checked")
    entry = records(tmp_path)
    assert entry["best"]["by"] == "exact"
    assert entry["best"]["saving_s"] == pytest.approx(OPTIMUM_S)
    assert [bound["by"] for bound in entry["bounds"]] == ["exact", "milp[backend=scip]"]
    assert "best" not in index_document(tmp_path / "own")["instances"][0]
    again = library("update", "two-cells", "--time", "20")
    assert "no better; gap 0 %, optimal, cross-checked" in again.out
    assert records(tmp_path) == entry


def test_a_bound_of_a_solver_that_a_placement_refutes_is_told(library, submit, plugin, tmp_path):
    submit(OPTIMAL)
    liar = plugin(
        "liar",
        """
        placement = Placement.empty(instance)
        context.report(placement, 0.01, optimal=False)
        return placement
        """,
        options="exact=True",
    )
    ended = library("update", "two-cells", "-s", "liar", "--plugin", liar, "--time", "20")
    assert ended.code == 1
    assert "contradiction: two-cells: a verified placement of A. Name saves 0.059 s" in ended.err
    assert [bound["by"] for bound in records(tmp_path)["bounds"] if bound.get("refuted")] == ["liar"]


@pytest.mark.parametrize(("end", "bounds"), [("time.sleep(60)", ["halfway"]), ("raise RuntimeError", [])])
def test_a_bound_counts_of_a_run_that_was_stopped_but_not_of_one_that_failed(
    end, bounds, library, plugin, tmp_path
):
    body = f"context.report(Placement.empty(instance), 0.07)\n{end}"
    file = plugin("halfway", body, options="exact=True")
    assert library("update", "two-cells", "-s", "halfway", "--plugin", file, "--time", "1").code == 0
    entry = records(tmp_path)
    assert [bound["by"] for bound in entry.get("bounds", [])] == bounds
    assert entry["best"]["saving_s"] == 0  # the placement was verified, whoever reported it


# Verifying


def test_verify_tells_every_instance_that_does_not_verify(library, submit, tmp_path):
    submit(WORSE)
    assert "2 instances verify" in library("verify").out
    document = index_document(tmp_path / "own")
    document["instances"][0]["recipe"]["seed"] = 3
    document["instances"][1]["best"]["saving_s"] = 0.06
    rewrite_index(tmp_path / "own", document)
    ended = library("verify")
    assert ended.code == 1
    first, second = ended.out.splitlines()
    assert first.startswith("drawn: its content has the hash ")
    assert second.startswith("two-cells: best.saving_s is 0.06, its placement gives 0.045")
    assert library("verify", "two-cells").out == f"{second}\n"


def test_verify_finds_a_placement_that_is_gone_and_a_bound_that_is_too_low(library, submit, tmp_path):
    submit(OPTIMAL)
    set_bound(tmp_path, 0.05)
    ended = library("verify", "two-cells")
    assert ended.code == 1
    assert "above the bound of 0.05 s that exact claims" in ended.out
    set_bound(tmp_path, 0.06)
    assert library("verify", "two-cells").code == 0
    for file in (tmp_path / "own" / PLACEMENTS).iterdir():
        file.unlink()
    ended = library("verify", "two-cells")
    assert (ended.code, "No such file" in ended.out) == (1, True)


def test_verify_solves_small_instances_again_if_asked(library, submit):
    submit(WORSE)
    assert library("verify").code == 0
    ended = library("verify", "--solve")
    assert ended.code == 1
    assert "exact proves an optimum of 0.059 s, the best known saving is 0.045 s" in ended.out


def test_every_small_instance_that_ships_verifies():
    library = read_library()
    assert list(faults_of(library, library.matching("small/*"))) == []


# Adding


def test_an_instance_is_added_by_recipe_or_file_also_to_a_new_library(tmp_path, command):
    folder = tmp_path / "mine"
    added = command(
        "library", "add", "four", "--size", "small", "--library", folder, "--release", "mine.1",
        "--set", "models=switch-base-8", "--set", "layers=1", "--set", "network.servers=4",
    )  # fmt: skip
    assert added.code == 0
    (folder / "two.json").write_text(json.dumps(TWO_CELLS))
    arguments = ["library", "add", "two-cells", "--size", "small", "--file", "two.json", "--library", folder]
    assert command(*arguments).code == 0
    assert "2 instances verify" in command("library", "verify", "--library", folder).out
    assert_bad_input(command(*arguments), "has an instance 'two-cells' already")
    assert_bad_input(command(*arguments[:2], "../up", *arguments[3:]), "name")
    assert_bad_input(command(*arguments, "--release", "mine.2"), "holds a library already")


# The page


def test_the_published_page_is_that_of_the_shipped_library(command):
    assert command("library", "page").out == PAGE.read_text("utf-8")


def test_what_people_write_is_no_markup_on_the_page(library, submit):
    submit(OPTIMAL, by="<b>|*A*[x](y)")
    assert r"&lt;b&gt;\|\*A\*\[x\](y), " in library("page").out
