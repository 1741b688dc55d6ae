"""Maximal cliques of a small graph."""

from __future__ import annotations

from collections.abc import Iterable


def maximal_cliques(n_nodes: int, edges: Iterable[tuple[int, int]]) -> list[frozenset[int]]:
    """Every set of nodes that are all joined and to which no other one can be added.

    The recursion of Bron and Kerbosch with a pivot of most neighbours, which is worst-case optimal.

    References
    ----------
    Tomita, Tanaka, Takahashi, The worst-case time complexity for generating all maximal cliques, Theoretical
    Computer Science 363, 2006.
    """
    neighbours: list[set[int]] = [set() for _ in range(n_nodes)]
    for a, b in edges:
        neighbours[a].add(b)
        neighbours[b].add(a)
    found: list[frozenset[int]] = []

    def extend(clique: frozenset[int], candidates: set[int], done: set[int]) -> None:
        if not candidates and not done:
            found.append(clique)
            return
        pivot = max(sorted(candidates | done), key=lambda node: len(candidates & neighbours[node]))
        for node in sorted(candidates - neighbours[pivot]):
            extend(clique | {node}, candidates & neighbours[node], done & neighbours[node])
            candidates = candidates - {node}
            done = done | {node}

    extend(frozenset(), set(range(n_nodes)), set())
    return found
