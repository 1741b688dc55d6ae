"""The library's index, instances and files: what ships, what is refused, and changes whole or not at all."""

import copy
import hashlib
import json
import multiprocessing
from pathlib import Path

import msgspec
import pytest
from libraries import index_document, rewrite_index, small_library
from refusals import refusal
from samples import TWO_CELLS

from slimbench.instances import Placement
from slimbench.instances.library import changes as library_changes
from slimbench.instances.library.changes import add_entry, change_entry, new_library, placement_hash
from slimbench.instances.library.index import Best, Facts
from slimbench.instances.library.library import PLACEMENTS, SHIPPED, Library, placement_name, read_library

LIBRARY = read_library()
ENTRIES = LIBRARY.index.instances

# What ships


def test_about_sixty_instances_ship_of_every_kind():
    assert len(ENTRIES) >= 60
    sizes = [entry.size for entry in ENTRIES]
    assert min(sizes.count(size) for size in ("small", "medium", "large")) >= 12
    assert {entry.facts.dispatch for entry in ENTRIES} == {"single", "parallel", "serial"}
    assert {entry.facts.top_k for entry in ENTRIES} == {1, 2, 4, 6, 8}
    assert {1, 30} <= {entry.facts.servers for entry in ENTRIES}
    assert sum(entry.file is not None for entry in ENTRIES) == 11


def test_every_shipped_instance_has_a_placement_file_of_its_hash_and_a_bound_and_no_file_is_left_over():
    expected = {placement_name(entry.name, entry.best.placement) for entry in ENTRIES if entry.best}
    assert {path.name for path in (SHIPPED / PLACEMENTS).iterdir()} == expected
    assert len(expected) == len(ENTRIES)
    assert all(any(not bound.refuted for bound in entry.bounds) for entry in ENTRIES)
    assert sum(path.stat().st_size for path in (SHIPPED / PLACEMENTS).iterdir()) < 2 * 10**6


def test_a_medium_and_a_large_instance_are_made_with_the_hash_of_the_index():
    for name in ("phi35-n4-u15-l8-single", "qwen3-235b-n12-u30-parallel"):
        entry = LIBRARY.entry(name)
        instance = LIBRARY.instance(entry)
        assert (instance.name, instance.sha256) == (name, entry.sha256)
        assert Facts.of(instance) == entry.facts


# Names and patterns


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("drawn", ["drawn"]),
        ("*", ["drawn", "two-cells"]),
        ("small/*", ["two-cells"]),
        ("*/drawn", ["drawn"]),
        ("large/*", []),
        ("Drawn", []),
        ("a*" * 10_000, []),
    ],
)
def test_patterns_are_of_names_or_of_sizes_and_names(pattern, names, tmp_path):
    assert [entry.name for entry in small_library(tmp_path / "own").matching(pattern)] == names


def test_an_unknown_name_is_refused(tmp_path):
    assert "has no instance 'nothing'" in refusal(lambda: small_library(tmp_path / "own").entry("nothing"))


# What is made is what the index says


def test_a_recipe_that_makes_another_instance_is_refused(tmp_path):
    small_library(tmp_path)
    document = index_document(tmp_path)
    document["instances"][0]["recipe"]["seed"] = 7
    rewrite_index(tmp_path, document)
    library = read_library(tmp_path)
    message = refusal(lambda: library.instance(library.entry("drawn")))
    assert message.startswith("library: drawn: its content has the hash ")
    assert library.entry("drawn").sha256 in message


def test_a_file_with_another_instance_is_refused(tmp_path):
    library = small_library(tmp_path)
    entry = library.entry("two-cells")
    (tmp_path / "two-cells.json").write_text(json.dumps(TWO_CELLS | {"base_latency_s": 1.0}))
    assert "its content has the hash" in refusal(lambda: library.instance(entry))
    (tmp_path / "two-cells.json").write_text(json.dumps(TWO_CELLS | {"name": "other"}))
    assert "is named 'other' in its file" in refusal(lambda: library.instance(entry))
    (tmp_path / "two-cells.json").unlink()
    assert "No such file" in refusal(lambda: library.instance(entry))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": -1}, "library: drawn: recipe.seed: "),
        ({"models": ["gpt-9"]}, "library: drawn: recipe.models[0]: is 'gpt-9'"),
        ({"colour": "red"}, "library: drawn: recipe.colour: is not a field"),
        ({"routing": {"kind": "trace", "path": "/etc/passwd"}}, "recipe.routing.path"),
        ({"routing": {"kind": "trace", "path": "../../trace.csv"}}, "recipe.routing.path"),
    ],
)
def test_a_malformed_recipe_is_one_line_and_no_path_leaves_the_folder(change, words, tmp_path):
    small_library(tmp_path)
    document = index_document(tmp_path)
    document["instances"][0]["recipe"] |= change
    rewrite_index(tmp_path, document)
    library = read_library(tmp_path)
    assert words in refusal(lambda: library.instance(library.entry("drawn")))


# Changes


def best(library: Library, placement: Placement, saving_s: float = 0.05) -> Best:
    instance = library.instance(library.entry("two-cells"))
    return Best(
        saving_s=saving_s,
        latency_s=0.11 - saving_s,
        placement=placement_hash(placement, instance),
        by="A. Name",
        version="",
        date="2026-01-01",
    )


def put(library: Library, placement: Placement) -> None:
    """Make it the best one."""
    instance = library.instance(library.entry("two-cells"))
    found = best(library, placement)
    change_entry(
        library.folder, "two-cells", lambda e: msgspec.structs.replace(e, best=found), instance, placement
    )


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_better_placement_takes_the_place_of_the_one_before(tmp_path):
    library = small_library(tmp_path)
    entry = library.entry("two-cells")
    instance = library.instance(entry)
    assert library.placement(entry, instance) is None
    first = Placement.of(instance, {0: [(0, 0, 0), (0, 0, 1)]})
    second = Placement.of(instance, {1: [(0, 0, 2)]})
    for placement in (first, second):
        put(library, placement)
        now = read_library(tmp_path)
        assert now.placement(now.entry("two-cells"), instance) == placement
        assert len(list((tmp_path / PLACEMENTS).iterdir())) == 1
    assert now.entry("drawn") == library.entry("drawn")


def test_a_placement_file_that_is_not_the_one_of_the_index_is_refused(tmp_path):
    library = small_library(tmp_path)
    instance = library.instance(library.entry("two-cells"))
    put(library, Placement.of(instance, {1: [(0, 0, 2)]}))
    entry = read_library(tmp_path).entry("two-cells")
    (file,) = (tmp_path / PLACEMENTS).iterdir()
    file.write_bytes(library_changes.gzip.compress(b"{}"))
    assert "does not have the hash" in refusal(lambda: library.placement(entry, instance))
    file.write_bytes(b"{}")
    assert "is not a complete gzip file" in refusal(lambda: library.placement(entry, instance))
    file.unlink()
    assert "No such file" in refusal(lambda: library.placement(entry, instance))


@pytest.mark.parametrize("failing", [1, 2])
def test_a_write_that_fails_leaves_the_library_as_it_was(failing, tmp_path, monkeypatch):
    library = small_library(tmp_path)
    instance = library.instance(library.entry("two-cells"))
    put(library, Placement.of(instance, {1: [(0, 0, 2)]}))
    before = content(tmp_path)
    writes = []
    write = library_changes.write_atomically

    def full_disk(path, data):
        writes.append(path)
        if len(writes) == failing:
            raise OSError(28, "No space left on device")
        write(path, data)

    monkeypatch.setattr(library_changes, "write_atomically", full_disk)
    better = Placement.of(instance, {0: [(0, 0, 0), (0, 0, 1)]})
    assert "No space left on device" in refusal(lambda: put(library, better))
    after = content(tmp_path)
    assert {name: after[name] for name in before} == before  # a placement that nothing names may lie there
    now = read_library(tmp_path)
    assert now.placement(now.entry("two-cells"), instance) == Placement.of(instance, {1: [(0, 0, 2)]})


def test_what_changes_nothing_writes_nothing(tmp_path, monkeypatch):
    library = small_library(tmp_path)
    monkeypatch.setattr(library_changes, "write_atomically", pytest.fail)
    instance = library.instance(library.entry("two-cells"))
    before, after = change_entry(tmp_path, "two-cells", copy.copy, instance)
    assert before == after == library.entry("two-cells")


def test_an_instance_is_added_once_and_a_library_is_begun_once(tmp_path):
    library = small_library(tmp_path)
    assert "has an instance 'drawn' already" in refusal(lambda: add_entry(tmp_path, library.entry("drawn")))
    assert "holds a library already" in refusal(lambda: new_library(tmp_path, "test.2"))
    assert "has no instance 'gone' any more" in refusal(
        lambda: change_entry(tmp_path, "gone", copy.copy, library.instance(library.entry("two-cells")))
    )


def count_up(folder: str) -> None:
    """Add 1 ms to the best known saving, 20 times."""
    library = read_library(Path(folder))
    instance = library.instance(library.entry("two-cells"))
    for _ in range(20):
        change_entry(
            library.folder,
            "two-cells",
            lambda e: msgspec.structs.replace(
                e, best=msgspec.structs.replace(e.best, saving_s=e.best.saving_s + 1e-3)
            ),
            instance,
        )


def test_two_processes_that_change_a_library_lose_nothing(tmp_path):
    library = small_library(tmp_path)
    put(library, Placement.empty(library.instance(library.entry("two-cells"))))
    processes = [multiprocessing.Process(target=count_up, args=(str(tmp_path),)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    now = read_library(tmp_path)
    assert now.entry("two-cells").best.saving_s == pytest.approx(0.05 + 40e-3)


def test_the_hash_of_a_placement_is_that_of_its_file_unpacked(tmp_path):
    library = small_library(tmp_path)
    put(library, Placement.empty(library.instance(library.entry("two-cells"))))
    (file,) = (tmp_path / PLACEMENTS).iterdir()
    digest = hashlib.sha256(library_changes.gzip.decompress(file.read_bytes())).hexdigest()
    assert read_library(tmp_path).entry("two-cells").best.placement == digest
