"""Random AND-terms, and what they are worth by plain Python and by an independent LP and MILP (scipy)."""

from __future__ import annotations

import itertools

import numpy as np
from scipy import optimize, sparse

from slimbench.formulations.terms.and_terms import AndTerms, and_terms
from slimbench.instances import Instance


def random_layer(seed: int, *, experts: int, terms: int, largest: int, skew: float = 1.0) -> AndTerms:
    """One layer of ``terms`` sets of 1 to ``largest`` experts, popular ones more often."""
    rng = np.random.default_rng(seed)
    popularity = 1.0 / np.arange(1, experts + 1) ** skew
    popularity /= popularity.sum()
    sets = [
        np.sort(rng.choice(experts, rng.integers(1, largest + 1), replace=False, p=popularity))
        for _ in range(terms)
    ]
    return AndTerms(
        weights=rng.exponential(size=terms),
        offsets=np.cumsum([0, *map(len, sets)]),
        members=np.concatenate(sets).astype(np.int32),
        layer_offsets=np.array([0, terms]),
    )


def server_terms(instance: Instance, seed: int, server: int = 0) -> AndTerms:
    """Terms of one server when the others hold random experts."""
    rng = np.random.default_rng(seed)
    return and_terms(instance, rng.random((instance.n_servers, instance.n_experts)) < 0.2, server)


def sets_of(terms: AndTerms) -> list[tuple[frozenset[int], float]]:
    """The terms as Python sets and weights."""
    return [
        (frozenset(terms.members[a:b].tolist()), float(w))
        for a, b, w in zip(terms.offsets, terms.offsets[1:], terms.weights, strict=False)
    ]


def named(terms: AndTerms) -> list[int]:
    """The experts that some term names."""
    return sorted(set(terms.members.tolist()))


def plain_value(terms: AndTerms, cache: set[int]) -> float:
    """phi(cache)."""
    return sum(weight for experts, weight in sets_of(terms) if experts <= cache)


def best_by_count(terms: AndTerms) -> list[float]:
    """Most that c experts save, for every c, by trying every set."""
    experts, sets = named(terms), sets_of(terms)
    return [
        max(sum(w for c, w in sets if c <= chosen) for chosen in map(set, itertools.combinations(experts, k)))
        for k in range(len(experts) + 1)
    ]


def best_in_bytes(terms: AndTerms, sizes: np.ndarray, capacity: int) -> float:
    """Most that experts within a capacity save, by trying every set."""
    experts, sets = named(terms), sets_of(terms)
    best = 0.0
    for k in range(len(experts) + 1):
        for chosen in itertools.combinations(experts, k):
            if sum(int(sizes[e]) for e in chosen) <= capacity:
                cache = set(chosen)
                best = max(best, sum(w for c, w in sets if c <= cache))
    return best


def closure_lp(terms: AndTerms, sizes: np.ndarray, capacity: float, *, integer: bool) -> float:
    """Max sum of w_C z_C with z_C <= x_e for e in C and sum of s_e x_e <= capacity, x in {0, 1} or [0, 1]."""
    experts, sets = named(terms), sets_of(terms)
    number = {e: i for i, e in enumerate(experts)}
    n_experts, n_columns = len(experts), len(experts) + len(sets)
    pairs = [(n_experts + i, number[e]) for i, (members, _) in enumerate(sets) for e in members]
    rows = sparse.lil_array((len(pairs) + 1, n_columns))
    for r, (z, x) in enumerate(pairs):
        rows[r, z], rows[r, x] = 1.0, -1.0
    rows[len(pairs), :n_experts] = sizes[experts]
    upper = np.append(np.zeros(len(pairs)), capacity)
    result = optimize.milp(
        -np.concatenate([np.zeros(n_experts), [w for _, w in sets]]),
        constraints=optimize.LinearConstraint(rows.tocsr(), -np.inf, upper),
        bounds=optimize.Bounds(0, 1),
        integrality=np.arange(n_columns) < (n_experts if integer else 0),
        options={"mip_rel_gap": 0.0},
    )
    assert result.success, result.message
    return -float(result.fun)
