"""The plan of a run: references first, seeds, what is left out, and what is left as it is."""

import json

import pytest
from samples import two_cells
from suite_text import ENTRY, HEAD

from slimbench.bench.plugins.registry import find_solvers
from slimbench.bench.store.store import StoreError
from slimbench.bench.suites.plan import create_run, make_plan
from slimbench.bench.suites.selection import Selection
from slimbench.instances import write_instance

SOLVERS = find_solvers()


def plan(suite_of, folder, *entries, head=HEAD):
    store = create_run(folder, make_plan(suite_of(*entries, head=head), SOLVERS, None), {})
    rows = store.runs()
    store.close()
    return rows


def test_references_are_planned_before_the_runs_they_judge(suite_of, tmp_path):
    head = (
        HEAD
        + 'repeats = 2\n[limits]\ntime_s = 3\n[reference]\ncross_check = ["milp[backend=scip]"]\ntime_s = 9\n'
    )
    rows = plan(suite_of, tmp_path / "run", ENTRY, head=head)
    assert [(r["role"], r["solver"], r["repeat"], r["time_limit_s"]) for r in rows] == [
        ("reference", "exact", 0, 9.0),
        ("cross-check", "milp[backend=scip]", 0, 9.0),
        ("cross-check", "brute-force", 0, 9.0),  # few enough placements to look at all
        ("measure", "popularity", 0, 3.0),
        ("measure", "random", 0, 3.0),
        ("measure", "popularity", 1, 3.0),
        ("measure", "random", 1, 3.0),
    ]
    assert [r["library"] for r in rows[:3]] == ["prices+highspy", "ortools", "brute-force"]


def test_without_leaves_a_solver_out_of_its_instances_alone(suite_of, tmp_path):
    rows = plan(suite_of, tmp_path / "run", f'without = ["random"]\n{ENTRY}', ENTRY.replace('"a"', '"b"'))
    measured = [(r["instance"], r["solver"]) for r in rows if r["role"] == "measure"]
    assert measured == [("a", "popularity"), ("b", "popularity"), ("b", "random")]


def test_seeds_differ_between_repeats_and_instances_and_not_between_solvers(suite_of, tmp_path):
    rows = plan(suite_of, tmp_path / "run", ENTRY, ENTRY.replace('"a"', '"b"'), head=HEAD + "repeats = 2\n")
    seeds = {}
    for row in rows:
        if row["role"] == "measure":
            seeds.setdefault((row["instance"], row["repeat"]), set()).add(row["seed"])
    assert all(len(group) == 1 for group in seeds.values())
    assert len(set.union(*seeds.values())) == 4
    again = plan(
        suite_of, tmp_path / "again", ENTRY, ENTRY.replace('"a"', '"b"'), head=HEAD + "repeats = 2\n"
    )
    assert [row["seed"] for row in again] == [row["seed"] for row in rows]


def test_a_seed_is_that_of_the_content_wherever_its_entry_stands(suite_of):
    other, third = ENTRY.replace('"a"', '"b"'), ENTRY.replace('"a"', '"c"')

    def seeds(*entries, **selected):
        made = make_plan(
            suite_of(*entries, head=HEAD + "repeats = 2\n"), SOLVERS, None, Selection(**selected)
        )
        return {(row["instance_hash"], row["solver"], row["repeat"]): row["seed"] for row in made.runs}

    whole = seeds(ENTRY, other)
    assert whole.items() <= seeds(third, other, ENTRY).items()
    assert seeds(ENTRY, other, datasets=["b"]).items() < whole.items()
    assert seeds(ENTRY, other, seed=7).items().isdisjoint(whole.items())


def test_a_folder_with_results_is_left_as_it_is(suite_of, tmp_path):
    plan(suite_of, tmp_path / "run", ENTRY)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    with pytest.raises(StoreError, match="has results already"):
        plan(suite_of, tmp_path / "run", ENTRY.replace('"a"', '"b"'))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == before


def test_an_instance_knows_its_suite_and_what_share_of_its_experts_a_server_holds(suite_of, tmp_path):
    write_instance(two_cells(), tmp_path / "cells.json")  # capacities of 2 and 1 bytes, three experts of one
    store = create_run(tmp_path / "run", make_plan(suite_of('file = "cells.json"'), SOLVERS, None), {})
    (row,) = store.instances()
    store.close()
    assert (row["suite"], row["capacity_share"]) == ("mine", 0.5)


def test_an_instance_knows_the_entry_that_it_is_of_and_what_that_runs_through(suite_of, tmp_path):
    swept = ENTRY.replace("servers = 2", "servers = [2, 3]") + "seed = [5]\nplanning = [{ tokens = 4 }]\n"
    store = create_run(
        tmp_path / "run", make_plan(suite_of(swept, ENTRY.replace('"a"', '"b"')), SOLVERS, None), {}
    )
    rows, seen = store.instances(), store.instances(planned_on=True)
    store.close()
    told = [(row["instance"], row["entry"], row["entry_number"], json.loads(row["swept"])) for row in rows]
    assert told == [
        ("a-n2-s5", "a", 0, {"network.servers": 2, "seed": 5}),
        ("a-n3-s5", "a", 0, {"network.servers": 3, "seed": 5}),
        ("b", "b", 1, {}),
    ]
    assert {row["swept"] for row in seen} == {"{}"}
