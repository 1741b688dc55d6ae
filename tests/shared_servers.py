"""Fork servers that outlive their ``Workers``: starting one takes longer than most tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from slimbench.bench.isolation import workers as isolation
from slimbench.bench.isolation.server_link import ServerLink
from slimbench.bench.isolation.workers import Workers

HOME = Path.cwd()


class SharedLink(ServerLink):
    """A fork server that waits for the next ``Workers`` when the last ones leave it with no run under way."""

    busy = True
    idle: dict[tuple[int, Path], SharedLink] = {}  # noqa: RUF012 - by threads and folder

    def __init__(self, threads: int) -> None:
        self.like = threads, Path.cwd()  # paths of jobs may be relative to the folder
        super().__init__(threads)

    def close(self) -> None:
        """End the server, or keep it."""
        running = self._server.is_running() and self._server.status() != psutil.STATUS_ZOMBIE
        if self.busy or not running or self.like in self.idle or self.like[1] != HOME:
            super().close()
        else:
            self.idle[self.like] = self


def shared_link(threads: int, **_options: Any) -> ServerLink:
    """A waiting server, or a new one."""
    return SharedLink.idle.pop((threads, Path.cwd()), None) or SharedLink(threads)


@contextlib.contextmanager
def shared_servers() -> Iterator[None]:
    """Let all ``Workers`` of this process take servers that wait; no server is left in the end."""
    leave = Workers.__exit__

    def leave_server(workers: Workers, *error: Any) -> None:
        link: Any = workers._server
        link.busy = bool(workers._runs)
        leave(workers, *error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isolation, "ServerLink", shared_link)
        patch.setattr(Workers, "__exit__", leave_server)
        yield
    for link in SharedLink.idle.values():
        link.busy = True
        link.close()
    SharedLink.idle.clear()
    assert not any(
        "slimbench.bench.isolation.forkserver" in child.cmdline() for child in psutil.Process().children()
    )
