"""The terms of a block under prices, and what a choice of experts does to the rows that carry them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from slimbench.instances.kernels import compiled
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IntArray


class PricedTerms(NamedTuple):
    """The terms of a block and the rows whose prices their weights carry.

    Attributes
    ----------
    weights : (T,) float64, without prices
    offsets : (T + 1,) int64
    members : (.,) int64
        Members of each term, by their numbers among the named experts.
    named : (named,) int64
        The experts that some term names, numbered through.
    rows, row_terms : (I,) int64
        The price of row ``rows[i]`` is added to the weight of term ``row_terms[i]``, times ``sign``.
    sign : float
    """

    weights: FloatArray
    offsets: IntArray
    members: IntArray
    named: IntArray
    rows: IntArray
    row_terms: IntArray
    sign: float


@compiled
def priced_weights(terms: PricedTerms, prices: FloatArray) -> FloatArray:
    """(T,) weights of a block's terms under prices (R,)."""
    weights = terms.weights.copy()
    for i in range(len(terms.rows)):
        weights[terms.row_terms[i]] += terms.sign * prices[terms.rows[i]]
    return weights


@compiled
def complete_terms(terms: PricedTerms, inside: BoolArray) -> FloatArray:
    """(T,) 1 where all experts of a term are among the chosen ones (named,), else 0."""
    complete = np.ones(len(terms.weights))
    for term in range(len(complete)):
        for j in range(terms.offsets[term], terms.offsets[term + 1]):
            if not inside[terms.members[j]]:
                complete[term] = 0.0
                break
    return complete


@compiled
def mark_choice(
    terms: PricedTerms, inside: BoolArray, complete: FloatArray, slope: FloatArray, cached: BoolArray
) -> None:
    """Write the choice (named,) to ``cached`` (X,), and what complete terms do to rows to ``slope`` (R,)."""
    for e in range(len(inside)):
        cached[terms.named[e]] = inside[e]
    for i in range(len(terms.rows)):
        slope[terms.rows[i]] += terms.sign * complete[terms.row_terms[i]]
