"""``library``: list, show, make, submit, add and page."""

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
    records_of,
    set_bound,
)
from samples import TWO_CELLS

from slimbench.instances import read_instance
from slimbench.instances.library.changes import today
from slimbench.instances.library.index import INDEX_NAME
from slimbench.instances.library.library import PLACEMENTS

PAGE = Path(__file__).parents[3] / "docs" / "LIBRARY.md"


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
    assert read_instance(instance).sha256 == records_of(tmp_path / "own")["sha256"]
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
    entry = records_of(tmp_path / "own")
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
    assert "best" not in records_of(tmp_path / "own")
    assert list((tmp_path / "own" / PLACEMENTS).iterdir()) == []


def test_a_placement_above_the_bound_is_a_contradiction_and_the_bound_is_marked(submit, library, tmp_path):
    submit(WORSE)
    set_bound(tmp_path / "own", 0.05)
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
    assert "best" not in records_of(tmp_path / "own")


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
