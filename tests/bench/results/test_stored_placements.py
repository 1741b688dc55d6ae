"""Placements of a run folder: the best known of an instance, and the best of each solver."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from slimbench.bench.results.stored_placements import BEST_KNOWN, OPTIMUM, stored_placements
from slimbench.bench.store.store import FILE_NAME, StoreError
from slimbench.instances import evaluate, write_instance


@pytest.fixture(scope="session")
def finished(tmp_path_factory, write_suite, run_suite) -> Path:
    """Return the folder of a run of two solvers, one of them twice, on two instances."""
    home = tmp_path_factory.mktemp("stored")
    suite = write_suite(home, ["slim-greedy", "random"], more="repeats = 2\n")
    run_suite(suite, home / "run")
    return home / "run"


@pytest.fixture
def run(finished, tmp_path) -> Path:
    """Return a copy of it, to be changed."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def execute(run: Path, statement: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(run / FILE_NAME)
    with connection:
        rows = connection.execute(statement).fetchall()
    connection.close()
    return rows


def test_the_optimum_comes_first_and_saves_what_the_run_says(run: Path) -> None:
    instance, placements = stored_placements(run, "two-cells", ["random", "slim-greedy"])
    assert instance.name == "two-cells"
    assert list(placements) == [OPTIMUM, "random", "slim-greedy"]
    assert evaluate(instance, placements[OPTIMUM]).latency_s == pytest.approx(0.051)
    for name in ("random", "slim-greedy"):
        ((best,),) = execute(
            run, f"SELECT max(saving_s) FROM runs JOIN instances USING (instance_hash)"
            f" WHERE instance = 'two-cells' AND solver = '{name}'"
        )  # fmt: skip
        assert evaluate(instance, placements[name]).saving_s == best


def test_what_is_not_proven_is_the_best_known(run: Path) -> None:
    execute(run, "UPDATE runs SET bound_saving_s = NULL, termination = 'feasible'")
    assert list(stored_placements(run, "two-cells")[1]) == [BEST_KNOWN]


def test_an_instance_without_placements_has_none(run: Path) -> None:
    columns = ("placement", "latency_s", "latency_none_s", "saving_s", "bound_saving_s", "finished_at")
    cleared = ", ".join(f"{column} = NULL" for column in columns)
    execute(run, f"UPDATE runs SET {cleared}, status = 'planned', termination = 'none'")
    assert stored_placements(run, "two-cells")[1] == {}


def test_an_instance_is_found_by_the_beginning_of_its_hash(run: Path) -> None:
    hashes = execute(run, "SELECT instance_hash FROM instances ORDER BY rowid")
    assert stored_placements(run, str(hashes[0][0])[:12])[0].name == "two-cells"


@pytest.mark.parametrize(
    ("name", "solvers", "words"),
    [
        (None, [], "--instance: is missing, expected one of two-cells (87fdf49f), random-1 ("),
        ("three", [], "--instance: is 'three', expected one of two-cells"),
        ("", [], "--instance: is '', expected one of two-cells"),
        (
            "two-cells",
            ["milp"],
            "--solver: 'milp' has no placement of two-cells, expected one of exact,",
        ),
    ],
)
def test_what_the_run_does_not_have_is_named(run: Path, name: str | None, solvers: list[str], words: str):
    with pytest.raises(StoreError) as caught:
        stored_placements(run, name, solvers)
    assert str(caught.value).startswith(f"{run}: {words}")


def test_another_instance_in_the_file_is_refused(run: Path) -> None:
    files = [str(row[0]) for row in execute(run, "SELECT file FROM instances ORDER BY rowid")]
    instance, _ = stored_placements(run, "random-1")
    write_instance(instance, run / files[0])
    with pytest.raises(StoreError, match="is not the instance that was run"):
        stored_placements(run, "two-cells")


def test_a_placement_of_another_size_is_refused(run: Path) -> None:
    execute(run, "UPDATE runs SET placement = x'0000000000' WHERE solver = 'random'")
    with pytest.raises(StoreError, match=r"run \d+: placement: has 5 bytes"):
        stored_placements(run, "two-cells", ["random"])
