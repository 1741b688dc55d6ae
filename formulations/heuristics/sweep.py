"""Local search: moves in turn until none improves."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def sweep(
    n_moves: int,
    improves: Callable[[int], bool],
    expired: Callable[[], bool],
    *,
    order: Callable[[int], Iterable[int]] = range,
    settles: bool = False,
) -> None:
    """Try moves in turn until each has improved nothing since the last one that did.

    A move is deterministic, so one that was tried in vain is left out until another one has improved
    something. It ends if every improvement raises one and the same function of the placement, of which there
    are finitely many: an improvement must never be mere rounding (``AndTerms.improves``).

    Parameters
    ----------
    improves : callable
        Makes the move of a number in [0, n_moves) if it improves; whether it did.
    expired : callable
        Whether to stop; asked before each move.
    order : callable
        n_moves -> the numbers in the order of a round.
    settles : bool
        A move that has just improved cannot improve again at once.
    """
    everything = frozenset(range(n_moves))
    left = set(everything)
    while left:
        for move in order(n_moves):
            if not left or expired():
                return
            if move not in left:
                continue
            if improves(move):
                left = set(everything)
                if not settles:
                    continue
            left.discard(move)
