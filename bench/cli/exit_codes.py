"""What the exit codes of commands mean."""

from __future__ import annotations

from typing import Final

FAILED: Final = 1  # a run failed, a placement does not fit, a promise is broken, something does not verify
BAD_INPUT: Final = 2
REGRESSION: Final = 3  # a comparison found something worse
NOTHING_MEASURED: Final = 4
INTERRUPTED: Final = 130
