"""Files: what is written is read back to the bit, and a write that fails leaves what was there."""

import codecs
import copy
import errno
import gzip
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from samples import TWO_CELLS, TWO_CELLS_PLACEMENT, assert_same, placed, two_cells, with_fields
from strategies import instances, placed_instances

from slimbench.instances import (
    DISPATCHES,
    Instance,
    InstanceError,
    Placement,
    read_instance,
    read_placement,
    write_instance,
    write_placement,
)
from slimbench.instances.files import json_format, npz_format

SUFFIXES = [".json", ".json.gz", ".npz"]


# Round trips


@given(instances())
def test_json_keeps_every_bit(instance: Instance) -> None:
    assert_same(json_format.decode_instance(json_format.encode_instance(instance)), instance)


@given(instances())
def test_npz_keeps_every_bit(instance: Instance) -> None:
    assert_same(npz_format.decode_instance(npz_format.encode_instance(instance)), instance)


@given(placed_instances())
def test_placement_is_read_as_written(placed: tuple[Instance, Placement]) -> None:
    instance, placement = placed
    content = json_format.encode_placement(placement, instance)
    assert json_format.decode_placement(content, instance) == placement


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_file_is_read_as_written(suffix: str, tmp_path: Path) -> None:
    # Values whose decimal form is long, the largest capacity, the smallest number
    instance = with_fields(
        two_cells("parallel"),
        base_latency_s=0.1 + 0.2,
        capacities_bytes=[2**62, 2**53 + 1],
        rates=[1 / 3, 5e-324, 1e300],
        server_names=("küche", 'a"b\\c'),
    )
    path = tmp_path / f"instance{suffix}"
    write_instance(instance, path)
    assert_same(read_instance(path), instance)
    assert_same(read_instance(str(path)), instance)


@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_placement_file_is_read_as_written(suffix: str, tmp_path: Path) -> None:
    placement = Placement.of(two_cells(), {0: [(0, 0, 2)]})
    path = tmp_path / f"placement{suffix}"
    write_placement(placement, two_cells(), path)
    assert read_placement(path, two_cells()) == placement


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_same_instance_gives_the_same_bytes(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    write_instance(two_cells(), first)
    monkeypatch.setattr("time.time", lambda: 2e9)  # the year 2033: no time stamp may get in
    write_instance(two_cells(), second)
    assert first.read_bytes() == second.read_bytes()


def test_documented_example_is_the_example_of_the_tests(tmp_path: Path) -> None:
    path = tmp_path / "two-cells.json"
    path.write_text(json.dumps(TWO_CELLS))
    assert_same(read_instance(path), two_cells())


def test_documented_files_are_those_of_the_documentation() -> None:
    text = (Path(__file__).parents[3] / "docs" / "FILES.md").read_text("utf-8")
    blocks = [block.split("```")[0] for block in text.split("```json\n")[1:]]
    assert [json.loads(block) for block in blocks] == [TWO_CELLS, TWO_CELLS_PLACEMENT]


@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_a_byte_order_mark_is_no_part_of_a_document(suffix: str, tmp_path: Path) -> None:
    text = codecs.BOM_UTF8 + json.dumps(TWO_CELLS).encode()
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(text) if suffix.endswith(".gz") else text)
    assert_same(read_instance(path), two_cells())


def test_integers_where_a_number_is_due_are_read_as_numbers() -> None:
    document = copy.deepcopy(TWO_CELLS)
    document["base_latency_s"], document["cloud_latency_s"] = 1, [[1], [0]]
    instance = json_format.decode_instance(json.dumps(document).encode())
    assert instance.base_latency_s == 1.0
    assert instance.cloud_latency_s.tolist() == [[1.0], [0.0]]


# Positions


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("holders", [["servers", "users"], ["servers"], ["users"], []])
def test_positions_are_kept_where_they_are_known(suffix: str, holders: list[str], tmp_path: Path) -> None:
    document = placed(TWO_CELLS)
    document |= {key: TWO_CELLS[key] for key in ("servers", "users") if key not in holders}
    instance = json_format.decode_instance(json.dumps(document).encode())
    write_instance(instance, tmp_path / f"a{suffix}")
    again = read_instance(tmp_path / f"a{suffix}")
    assert_same(again, instance)
    known = {"servers": again.server_positions_m, "users": again.user_positions_m}
    for key in ("servers", "users"):
        positions_m = known[key]
        assert (positions_m is not None) == (key in holders)
        if positions_m is not None:
            assert positions_m.tolist() == [holder["position_m"] for holder in document[key]]


def test_an_instance_without_positions_is_written_as_before_there_were_any() -> None:
    assert json.loads(json_format.encode_instance(two_cells())) == TWO_CELLS


# Atomic writing


def failing_fsync(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_failed_write_leaves_the_old_file_and_nothing_else(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"instance{suffix}"
    write_instance(two_cells("single"), path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", failing_fsync)
    with pytest.raises(InstanceError) as caught:
        write_instance(two_cells("serial"), path)
    assert str(caught.value) == f"{path}: {os.strerror(errno.ENOSPC)}"
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


def test_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_instance(two_cells(), tmp_path / "instance.json")
    assert list(tmp_path.iterdir()) == []


def test_write_onto_a_folder_fails_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "folder.json"
    path.mkdir()
    with pytest.raises(InstanceError, match=r"folder\.json: "):
        write_instance(two_cells(), path)
    assert list(tmp_path.iterdir()) == [path]


def test_write_into_a_missing_folder_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "instance.json"
    with pytest.raises(InstanceError) as caught:
        write_instance(two_cells(), path)
    assert str(caught.value) == f"{path}: {os.strerror(errno.ENOENT)}"


def test_written_file_has_the_permissions_of_an_ordinary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ordinary = tmp_path / "instance.json", tmp_path / "ordinary"
    ordinary.write_bytes(b"")
    # Other threads create files too: the process's mask is not touched, not even for a moment
    monkeypatch.setattr("os.umask", pytest.fail)
    write_instance(two_cells(), path)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_hash_is_the_same_for_every_file_format(dispatch: str, tmp_path: Path) -> None:
    hashes = set()
    for suffix in SUFFIXES:
        write_instance(two_cells(dispatch), tmp_path / f"instance{suffix}")
        hashes.add(read_instance(tmp_path / f"instance{suffix}").sha256)
    assert hashes == {two_cells(dispatch).sha256}
