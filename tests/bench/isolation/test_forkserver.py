"""The fork server by itself: its faults are told, and workers that it cannot make."""

import errno
import os
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from types import SimpleNamespace

import pytest

from slimbench.bench.isolation import forkserver
from slimbench.bench.isolation.messages import Ended, Forked, decode_server, decode_worker, encode
from slimbench.bench.isolation.run_under_way import hard_limit_s
from slimbench.bench.plugins.warm_up import tiny_instance
from slimbench.formulations.brute_force import best_placement
from slimbench.instances import evaluate

pytestmark = pytest.mark.usefixtures("later_runs_go_on")
INSTANCE = tiny_instance("single")
BEST = best_placement(INSTANCE, 1000)
OPTIMUM_S = evaluate(INSTANCE, BEST).saving_s
EMPTY = "return Placement.empty(instance)"
FULL = "np.ones((instance.n_servers, instance.n_experts), bool)"
SLEEPER = "[sys.executable, '-c', 'import time; time.sleep(600)']"
KILLED = f"killed {hard_limit_s(0.3):g} s after its start, limit 0.3 s"
KILLED_02 = f"killed {hard_limit_s(0.2):g} s after its start, limit 0.2 s"
GENEROUS_S = 60.0


SERVER = """\
import socket, sys, time
import psutil
from slimbench.bench.isolation import forkserver

def load(job):
    if job.key != 2: return
    end = time.monotonic() + 10
    while psutil.Process().children() and time.monotonic() < end: pass
    print(time.monotonic(), flush=True)

forkserver._load = load
forkserver.main(int(sys.argv[1]))
"""


@pytest.fixture
def server(job, tmp_path):
    """Return (messages, send, process) of a fork server that takes its time to load job 2."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(theirs.fileno())],
            pass_fds=[theirs.fileno()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    read, write = os.pipe()
    with process, ours, Connection(os.dup(ours.fileno())) as messages, os.fdopen(read), os.fdopen(write, "w"):

        def send(packed):
            socket.send_fds(ours, [b"j"], [write])
            messages.send_bytes(packed)

        yield messages, send, process


def lost(job, key):
    """A job whose worker cannot write its log."""
    return encode(job("random", key=key, log_file="/missing/log"))


def test_faults_of_the_process_that_starts_workers_are_told(server, job):
    """A worker that cannot write its log, and something that is no job."""
    messages, send, process = server
    send(lost(job, 1))
    told = [decode_server(messages.recv_bytes()) for _ in range(2)]
    assert [type(message) for message in told] == [Forked, Ended]
    send(b"no job")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.count("Traceback") == 2
    assert "FileNotFoundError" in err
    assert "msgspec.ValidationError" in err


def test_when_a_worker_ended_does_not_depend_on_what_is_being_loaded(server, job):
    messages, send, process = server
    for key in (1, 2):
        send(lost(job, key))
    loaded = float(process.stdout.readline())
    told = [decode_server(messages.recv_bytes()) for _ in range(4)]
    (ended,) = (message for message in told if isinstance(message, Ended) and message.key == 1)
    assert ended.time < loaded


def test_a_worker_that_cannot_be_made_is_an_error_that_says_why(job):
    told = []
    read, write = os.pipe()
    with Connection(read, writable=False) as channel:
        error = OSError(errno.EAGAIN, "no room")
        forkserver._refuse(
            SimpleNamespace(tell=told.append), job("random", key=7), Connection(write, readable=False), error
        )
        said = decode_worker(channel.recv_bytes())
    assert (said.status, said.message) == ("error", "cannot be started: no room")
    assert [ended.key for ended in told] == [7]
