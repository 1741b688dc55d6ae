"""Draw the seeds of runs."""

from __future__ import annotations

import numpy as np


def drawn_seed(suite_seed: int, content_hash: str, repeat: int = 0) -> int:
    """The seed (32 bits) of one repeat of an instance or sequence, the same for every solver or policy.

    It depends on the SHA-256 of what is solved, not on its place in the suite or on a selection.
    """
    return int(np.random.SeedSequence([suite_seed, int(content_hash, 16), repeat]).generate_state(1)[0])
