"""Status of an expert on a server: free, fixed in the cache or fixed out of it; also columns of a model."""

from __future__ import annotations

from typing import Final

FREE: Final = 0
NEVER: Final = -1  # stands for a column that is always 0
ALWAYS: Final = -2  # stands for a column that is always 1
