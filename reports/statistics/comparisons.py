"""Paired comparisons of solvers: wins, Wilcoxon's and Friedman's tests, average ranks.

What is compared is the ratio (medians over repeats). All ratios on one instance are quotients by the same
optimum, so who is ahead there is certain even where the optimum is open. Savings that differ by less
than 1e-6 of the best known one tie.

Pairs say most: what a pair shows does not depend on which other solvers are in the run. Average ranks do, so
they come last and stand for nothing without their pairs.

References
----------
Demšar, Statistical comparisons of classifiers over multiple data sets, JMLR 7, 2006. Benavoli, Corani,
Mangili, Should we really use post-hoc tests based on mean-ranks?, JMLR 17, 2016, for pairs by Wilcoxon's test
in place of Nemenyi's. Van Gelder, Careful ranking of multiple solvers with timeouts and ties, SAT 2011, and
Gould, Scott, A note on performance profiles for benchmarking software, ACM TOMS 43, 2016, for orders that
change with who is in.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, Final

import networkx as nx
import numpy as np
import pandas as pd

from slimbench.bench.results.ratio_intervals import FloatArray
from slimbench.bench.results.results import Results
from slimbench.bench.results.significance import fewest_pairs, holm, signed_rank_p
from slimbench.formulations.tolerances import AGREEMENT
from slimbench.reports.statistics.once import once
from slimbench.reports.statistics.ratios import is_heuristic, per_instance

ALPHA: Final = 0.05
MIN_SOLVERS: Final = 3  # for Friedman's test; of two the pair says all
DIFFERENT, NOT_SHOWN, TOO_FEW = "different", "no difference shown", "too few to test"

_PAIR_COLUMNS: Final = (
    "first", "second", "n_instances", "n_only_first", "n_only_second", "wins", "ties", "losses",
    "median_factor", "p_value", "p_holm", "verdict", "better",
)  # fmt: skip
_RANK_COLUMNS: Final = ("solver", "exact", "n_blocks", "average_rank")


@dataclass(frozen=True)
class Friedman:
    """Whether the solvers of a run differ at all.

    Attributes
    ----------
    statistic, p_value : float
        Friedman's chi-square, corrected for ties, and its p-value; NaN where ``remark`` says why not.
    n_solvers, n_blocks, n_dropped : int
        Solvers compared, instances on which all of them have a placement, and the other instances.
    dropped, left_out : tuple of str
        Names of the latter, and of solvers that have no placement at all, which are not compared.
    remark : str
    """

    statistic: float
    p_value: float
    n_solvers: int
    n_blocks: int
    n_dropped: int
    dropped: tuple[str, ...]
    left_out: tuple[str, ...]
    remark: str


@once
def pairwise(results: Results) -> pd.DataFrame:
    """One row for each pair of solvers, on all instances on which both have a placement.

    Exact solvers take part like all others; a run of exact solvers alone is compared by their times
    (``exact_table``), not here, and the frame is empty.

    Columns
    -------
    first, second
        In the order of the plan.
    n_instances, n_only_first, n_only_second
        Instances on which both have a placement, and on which one of them alone has.
    wins, ties, losses
        Of the first.
    median_factor
        Median of saving of the first / saving of the second.
    p_value, p_holm
        Of Wilcoxon's signed-rank test of the differences of ratios, two-sided, and corrected by Holm for
        all pairs tested; NaN of a pair that could not be significant at 5 % whatever it shows.
    verdict, better
        ``different``, ``no difference shown`` or ``too few to test``, and the better one of a pair that is
        different.
    """
    ratios = _compared(results)
    pairs = list(itertools.combinations(ratios.columns, 2))
    rows = [_pair(ratios, str(first), str(second)) for first, second in pairs]
    # Holm lets no pair pass unless the least p-value is below alpha / number of pairs.
    fewest = fewest_pairs(ALPHA / max(1, len(pairs)))
    tested = [row for row in rows if row["n_instances"] >= fewest]
    for row, corrected in zip(tested, holm([row["p_value"] for row in tested]), strict=True):
        different = corrected <= ALPHA
        better = row["first"] if row["advantage"] > 0 else row["second"]
        row |= {"p_holm": corrected, "verdict": DIFFERENT if different else NOT_SHOWN}
        row["better"] = better if different else ""
    for row in rows:
        if row["n_instances"] < fewest:
            row |= {"p_value": math.nan, "p_holm": math.nan, "verdict": TOO_FEW, "better": ""}
    return pd.DataFrame(rows, columns=pd.Index(_PAIR_COLUMNS))


@once
def friedman_test(results: Results) -> Friedman:
    """Whether all solvers may be equally good, over the instances on which all of them have a placement.

    References
    ----------
    Friedman, The use of ranks to avoid the assumption of normality, JASA 32, 1937.
    """
    ratios = _compared(results)
    blocks = ratios.dropna()
    names = per_instance(results).groupby("instance_hash", sort=False)["instance"].first()
    dropped = names[~names.index.isin(blocks.index)]
    placed = set(_ratios(results).columns)
    statistic, p_value, remark = math.nan, math.nan, _why_not(results, ratios, len(blocks))
    if not remark:
        tied = np.apply_along_axis(_tied, 1, blocks.to_numpy(float))
        if np.all(tied == tied[:, :1]):
            statistic, p_value = 0.0, 1.0  # the correction for ties would divide by zero
        else:
            from scipy.stats import friedmanchisquare  # noqa: PLC0415 - takes a second

            test = friedmanchisquare(*tied.T)
            statistic, p_value = float(test.statistic), float(test.pvalue)
    return Friedman(
        statistic=statistic,
        p_value=p_value,
        n_solvers=ratios.shape[1],
        n_blocks=len(blocks),
        n_dropped=len(dropped),
        dropped=tuple(map(str, dropped)),
        left_out=tuple(str(s) for s in dict.fromkeys(results.runs["solver"]) if s not in placed),
        remark=remark,
    )


@once
def average_ranks(results: Results) -> pd.DataFrame:
    """``solver``, ``exact``, ``n_blocks``, ``average_rank``, the best first.

    Rank 1 is the highest ratio on an instance, solvers that tie share the mean of their ranks, and the mean
    is over the instances on which all solvers compared have a placement.
    """
    blocks = _compared(results).dropna()
    if blocks.empty:
        return pd.DataFrame(columns=pd.Index(_RANK_COLUMNS))
    tied = pd.DataFrame(np.apply_along_axis(_tied, 1, blocks.to_numpy(float)), columns=blocks.columns)
    ranks = tied.rank(axis=1, ascending=False, method="average").mean()
    exact = results.runs.groupby("solver")["exact"].first().astype(bool)
    table = pd.DataFrame(
        {
            "solver": list(ranks.index),
            "exact": exact.reindex(ranks.index).to_numpy(),
            "n_blocks": len(blocks),
            "average_rank": ranks.to_numpy(float),
        }
    )
    return table.sort_values("average_rank", kind="stable").reset_index(drop=True)


@once
def cliques(results: Results) -> pd.DataFrame:
    """Largest sets of solvers no two of which are shown to differ: the bars of a critical-difference diagram.

    By the pairs' own tests, which Holm's correction makes right together, whatever Friedman's test says.

    Returns
    -------
    DataFrame
        ``clique`` (a number from 0, the one with the best ranks first), ``solver``, ``average_rank``; sets
        of one are left out. Empty where pairs are too few to test.
    """
    pairs, ranks = pairwise(results), average_ranks(results)
    columns = pd.Index(["clique", "solver", "average_rank"])
    if ranks.empty or pairs["verdict"].eq(TOO_FEW).any():
        return pd.DataFrame(columns=columns)
    position = {solver: i for i, solver in enumerate(ranks["solver"])}
    joined = pairs.loc[pairs["verdict"].ne(DIFFERENT), ["first", "second"]]
    edges = joined.apply(lambda names: names.map(position)).to_numpy().tolist()
    found = sorted(sorted(clique) for clique in nx.find_cliques(nx.Graph(edges)))
    rows = [(number, *ranks.loc[i, columns[1:]]) for number, clique in enumerate(found) for i in clique]
    return pd.DataFrame(rows, columns=columns)


def _ratios(results: Results) -> pd.DataFrame:
    """The upper end of the ratio, saving / best known saving, by instance and solver; NaN without one."""
    table = per_instance(results)
    table = table[table["n_placed"] > 0]
    ratios = table.pivot_table("ratio_high", "instance_hash", "solver", sort=False)
    solvers = dict.fromkeys(results.runs["solver"])
    return ratios[[solver for solver in solvers if solver in ratios.columns]]


def _compared(results: Results) -> pd.DataFrame:
    """The ratios of the solvers that are compared: none where all are exact."""
    ratios = _ratios(results)
    heuristic = set(results.runs.loc[is_heuristic(results.runs), "solver"])
    return ratios if heuristic & set(ratios.columns) else ratios.iloc[:0, :0]


def _why_not(results: Results, ratios: pd.DataFrame, n_blocks: int) -> str:
    if ratios.empty and not _ratios(results).empty:
        return "all solvers are exact: they are compared by their times"
    if ratios.shape[1] < MIN_SOLVERS:
        return f"Friedman's test is for {MIN_SOLVERS} solvers or more"
    fewest = fewest_pairs(ALPHA)
    if n_blocks < fewest:
        shared = f"{n_blocks} instance{'s' * (n_blocks != 1)}"
        return f"all solvers have a placement on {shared}, and a test needs {fewest} or more"
    return ""


def _pair(ratios: pd.DataFrame, first: str, second: str) -> dict[str, Any]:
    own, other = ratios[first].to_numpy(float), ratios[second].to_numpy(float)
    placed, other_placed = ~np.isnan(own), ~np.isnan(other)
    both = placed & other_placed
    own, other = own[both], other[both]
    changes = np.where(np.abs(own - other) <= AGREEMENT, 0.0, own - other)
    with np.errstate(divide="ignore", invalid="ignore"):
        factors = np.where(changes == 0, 1.0, own / other)
    return {
        "first": first,
        "second": second,
        "n_instances": int(both.sum()),
        "n_only_first": int((placed & ~both).sum()),
        "n_only_second": int((other_placed & ~both).sum()),
        "wins": int((changes > 0).sum()),
        "ties": int((changes == 0).sum()),
        "losses": int((changes < 0).sum()),
        "median_factor": float(np.median(factors)) if len(factors) else math.nan,
        "p_value": signed_rank_p(changes),
        "advantage": _signed_rank_sum(changes),
    }


def _signed_rank_sum(changes: FloatArray) -> float:
    """Wilcoxon's statistic: the sum of the ranks of rises less that of falls."""
    others = changes[changes != 0]
    return float((np.sign(others) * pd.Series(np.abs(others)).rank().to_numpy(float)).sum())


def _tied(values: FloatArray) -> FloatArray:
    """From the best down, values within ``AGREEMENT`` of the first of their group become that value."""
    tied = values.copy()
    leader = math.inf
    for i in np.argsort(-values, kind="stable"):
        leader = leader if values[i] >= leader - AGREEMENT else values[i]
        tied[i] = leader
    return tied
