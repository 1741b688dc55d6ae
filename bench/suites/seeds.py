"""Seeds of runs."""

from __future__ import annotations

import numpy as np


def drawn_seed(suite_seed: int, content_hash: str, repeat: int = 0) -> int:
    """The seed of one repeat of one instance or sequence, the same for every solver or policy.

    It depends on what is solved and not on its place in the suite or on a filter: an entry put in before it
    changes nothing.

    Parameters
    ----------
    content_hash : str
        SHA-256 of the instance or the sequence, in hexadecimal digits.

    Returns
    -------
    int
        Of 32 bits.
    """
    return int(np.random.SeedSequence([suite_seed, int(content_hash, 16), repeat]).generate_state(1)[0])
