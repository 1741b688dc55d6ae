"""How a reader refuses a file, and what tells that it unpickled one."""

from collections.abc import Callable
from typing import Any

import pytest

from slimbench.instances import InstanceError


def refusal(read: Callable[[], object]) -> str:
    """The one printable line with which ``read`` refuses."""
    with pytest.raises(InstanceError) as caught:
        read()
    assert str(caught.value).isprintable()
    return str(caught.value)


class Unpickled:
    """Tells that a pickle has been loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("a pickle was loaded",)
