"""Documents and archives of the example with something wrong, and how a reader has to refuse them."""

import copy
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import TWO_CELLS, two_cells

from slimbench.instances import (
    InstanceError,
)
from slimbench.instances.files import npz_format

VALID = json.dumps(TWO_CELLS).encode()
REMOVE = object()
EXTRA = "is not a field of this format"


def put(document: Any, where: tuple[Any, ...], value: Any) -> Any:
    """A copy of ``document`` with one value replaced, added or removed."""
    document = copy.deepcopy(document)
    target = document
    for key in where[:-1]:
        target = target[key]
    if value is REMOVE:
        del target[where[-1]]
    else:
        target[where[-1]] = value
    return document


def archive(**changes: Any) -> bytes:
    """The example as npz with some arrays replaced, added, or removed (``REMOVE``)."""
    with np.load(io.BytesIO(npz_format.encode_instance(two_cells()))) as file:
        fields = {name: file[name] for name in file.files} | {
            name.replace("__", "."): value for name, value in changes.items()
        }
    buffer = io.BytesIO()
    np.savez(buffer, **{name: value for name, value in fields.items() if value is not REMOVE})
    return buffer.getvalue()


def assert_refused(read: Callable[[], object], path: Path, field: str, problem: str) -> None:
    with pytest.raises(InstanceError) as caught:
        read()
    assert str(caught.value) == ": ".join(filter(None, [str(path), field, problem]))
    assert (caught.value.file, caught.value.field) == (path, field)
    assert len(str(caught.value).splitlines()) == 1
