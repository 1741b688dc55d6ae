"""Control groups on a file tree like the kernel's: what is written where, and what is read back."""

import os
import subprocess
import sys

import pytest

from slimbench.bench.isolation.cgroup import COORDINATOR, ControlGroup, ControlGroups
from slimbench.bench.isolation.workers import Workers

GROUPS = ControlGroups.find() if sys.platform == "linux" else None


@pytest.fixture
def tree(tmp_path):
    """Return (mounts, own, folder of our group) of a system that handed a subtree to us."""
    folder = tmp_path / "cgroup" / "user" / "ours"
    folder.mkdir(parents=True)
    (folder / "cgroup.controllers").write_text("cpu memory pids\n")
    (folder / "cgroup.subtree_control").write_text("")
    mounts, own = tmp_path / "mounts", tmp_path / "own"
    mounts.write_text(f"proc /proc proc rw 0 0\ncgroup2 {tmp_path / 'cgroup'} cgroup2 rw 0 0\n")
    own.write_text("4:memory:/elsewhere\n0::/user/ours\n")
    return mounts, own, folder


def test_our_group_is_divided_with_the_coordinator_in_a_leaf_of_its_own(tree):
    mounts, own, folder = tree
    assert ControlGroups.find(mounts, own) is not None
    assert (folder / COORDINATOR / "cgroup.procs").read_text() == str(os.getpid())
    assert (folder / "cgroup.subtree_control").read_text() == "+memory"


def test_a_second_look_finds_the_same_group_and_nests_nothing(tree):
    """The first one has put this process into the leaf."""
    mounts, own, folder = tree
    assert ControlGroups.find(mounts, own) is not None
    own.write_text(f"0::/user/ours/{COORDINATOR}\n")
    groups = ControlGroups.find(mounts, own)
    assert groups.make("run-7", 64.0).folder == folder / "run-7"
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {COORDINATOR, "run-7"}
    assert not any(path.is_dir() for path in (folder / COORDINATOR).iterdir())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda mounts, own, folder: mounts.write_text("proc /proc proc rw 0 0\n"),  # version 1 only
        lambda mounts, own, folder: own.write_text("4:memory:/elsewhere\n"),
        lambda mounts, own, folder: (folder / "cgroup.controllers").write_text("cpu pids\n"),
        lambda mounts, own, folder: (folder / "cgroup.controllers").unlink(),
        lambda mounts, own, folder: mounts.unlink(),
        lambda mounts, own, folder: (folder / COORDINATOR).write_text("in the way"),
    ],
)
def test_where_groups_are_not_ours_there_are_none(tree, spoil):
    spoil(*tree)
    assert ControlGroups.find(*tree[:2]) is None


def test_a_run_has_a_group_with_its_limit_and_no_swap(tree):
    mounts, own, folder = tree
    group = ControlGroups.find(mounts, own).make("run-7", 64.0)
    assert group.folder == folder / "run-7"
    written = {file.name: file.read_text() for file in group.folder.iterdir()}
    assert written == {"memory.max": str(64 * 2**20), "memory.oom.group": "1", "memory.swap.max": "0"}
    group.join()
    assert (group.folder / "cgroup.procs").read_text() == str(os.getpid())


def test_a_group_that_cannot_be_made_is_none(tree):
    mounts, own, _ = tree
    groups = ControlGroups.find(mounts, own)
    assert groups.make("run-7", 64.0) is not None
    assert groups.make("run-7", 64.0) is None  # there is one


def test_a_group_tells_what_the_kernel_did(tmp_path):
    group = ControlGroup(tmp_path)
    assert (group.was_stopped, group.peak_mb) == (False, 0.0)
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 3\noom 1\noom_kill 0\n")
    assert not group.was_stopped
    (tmp_path / "memory.events").write_text("low 0\nmax 3\noom 1\noom_kill 2\n")
    (tmp_path / "memory.peak").write_text(str(3 * 2**20))
    assert (group.was_stopped, group.peak_mb) == (True, 3.0)
    group.remove()  # is not empty: stays
    assert tmp_path.exists()


def test_a_run_that_the_kernel_stopped_for_its_memory_says_so(plugin, job, tmp_path, monkeypatch):
    """On a tree of plain files: the worker joins its group, dies, and its group tells why."""
    folder = tmp_path / "groups"
    folder.mkdir()
    monkeypatch.setattr(ControlGroups, "find", classmethod(lambda cls: cls(folder)))
    body = (
        f"import glob\n(group,) = glob.glob({str(folder)!r} + '/run-*')\n"
        "assert open(group + '/cgroup.procs').read() == str(os.getpid())\n"
        "open(group + '/memory.events', 'w').write('oom_kill 1')\n"
        "open(group + '/memory.peak', 'w').write(str(5 * 2**30))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    with Workers() as workers:
        workers.submit(job("bad", plugin("bad", body), memory_limit_mb=4000.0))
        (outcome,) = workers.collect()
    assert (outcome.status, outcome.message) == ("memory_limit", "killed by the kernel, limit 4000 MB")
    assert outcome.peak_memory_mb == 5 * 2**10


@pytest.mark.skipif(GROUPS is None, reason="control groups of version 2 are not ours to divide here")
def test_the_kernel_holds_a_real_limit():
    group = GROUPS.make("test", 64.0)
    code = f"open({str(group.folder / 'cgroup.procs')!r}, 'w').write('0')\nx = bytearray(200 << 20)"
    ended = subprocess.run([sys.executable, "-c", code], check=False)
    assert ended.returncode != 0
    assert group.was_stopped
    group.remove()
