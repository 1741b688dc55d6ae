"""Whether an expert on a server is free, must be cached or must not be; also as columns of a model."""

from __future__ import annotations

from typing import Final

FREE: Final = 0
NEVER: Final = -1  # stands for a column that is always 0
ALWAYS: Final = -2  # stands for a column that is always 1
