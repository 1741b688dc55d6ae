"""Compiled kernels: numba is imported, and a kernel compiled, when one is called for the first time."""

from __future__ import annotations

import functools
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar, cast

_Function = TypeVar("_Function", bound=Callable[..., Any])
_OPTIONS: Final[dict[str, Any]] = {"nogil": True, "error_model": "numpy"}


def compiled(function: _Function) -> _Function:
    """Compile a kernel on first use; the machine code is cached on disk.

    A kernel is a plain loop over arrays. Array expressions, slice assignments and numpy's sorts take numba
    seconds to compile, which every user waits for once.
    """
    return cast(_Function, Kernel(function, {}))


def compiled_sums(function: _Function) -> _Function:
    """The same for a kernel whose sums may be added up in several lanes at once, as vector units do.

    The last bits of a sum then depend on the processor: no decision may hang on them.
    """
    return cast(_Function, Kernel(function, {"fastmath": {"reassoc", "nsz"}}))


class Kernel:
    """A function that numba compiles when it, or a kernel that calls it, is called for the first time.

    Importing numba takes longer than a baseline's whole run, so modules with kernels load without it.
    """

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self._function, self._options = function, _OPTIONS | options

    def __call__(self, *arguments: Any) -> Any:
        """Call the compiled function."""
        return self.dispatcher(*arguments)

    @functools.cached_property
    def dispatcher(self) -> Any:
        """Numba's own object of this kernel.

        Its cache lies beside the source, else in the user's cache folder, else in a temporary folder; where
        none of them can be written, the kernel is compiled in every process.
        """
        numba = _numba()
        try:
            return numba.njit(cache=True, **self._options)(self._function)
        except RuntimeError:  # numba finds no folder that it can write
            numba.config.CACHE_DIR = _temporary_cache()
        try:
            return numba.njit(cache=bool(numba.config.CACHE_DIR), **self._options)(self._function)
        except RuntimeError:
            return numba.njit(**self._options)(self._function)


@contextmanager
def on_first_compilation(say: Callable[[], None]) -> Iterator[None]:
    """Call ``say`` before the first kernel that is compiled inside, not for those that the cache holds."""
    _numba()
    from numba.core import event  # noqa: PLC0415

    class Listener(event.Listener):  # type: ignore[misc]
        said = False

        def on_start(self, _event: Any) -> None:
            if not self.said:
                self.said = True
                say()

        def on_end(self, _event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Listener()):
        yield


@functools.cache
def _numba() -> Any:
    """Import numba, and teach it that kernels call each other."""
    import numba  # noqa: PLC0415
    from numba.extending import typeof_impl  # noqa: PLC0415

    typeof_impl.register(Kernel, lambda kernel, _context: numba.types.Dispatcher(kernel.dispatcher))
    return numba


def _temporary_cache() -> str:
    """A folder that only this user can write, as machine code is loaded from it; "" where there is none."""
    folder = Path(tempfile.gettempdir(), f"slimbench-kernels-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        facts = folder.lstat()
    except OSError:
        return ""
    own = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid() and not facts.st_mode & 0o077
    return str(folder) if own else ""
