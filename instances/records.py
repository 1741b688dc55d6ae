"""Reading records made elsewhere: text files, packed or plain, and faults told in our words."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from slimbench.instances.errors import InstanceError
from slimbench.instances.json_format import in_our_words


def read_text(path: Path) -> str:
    """UTF-8 text of a file, unpacked when its name ends in ``.gz``.

    Raises
    ------
    InstanceError
        If it is not text, or not a complete gzip file.
    OSError
        If it cannot be read.
    """
    content = path.read_bytes()
    try:
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InstanceError("", f"is not UTF-8 text ({error.reason})") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InstanceError("", f"is not a complete gzip file ({error})") from None


@contextlib.contextmanager
def naming_field(place: str = "") -> Iterator[None]:
    """Turn what msgspec refuses into an ``InstanceError`` whose field begins with ``place``."""
    try:
        yield
    except msgspec.ValidationError as error:
        fault = error.__cause__ if isinstance(error.__cause__, InstanceError) else in_our_words(error)
        raise InstanceError(": ".join(filter(None, (place, fault.field))), fault.problem) from None
    except msgspec.DecodeError as error:
        raise InstanceError(place, f"is not JSON ({error})") from None
