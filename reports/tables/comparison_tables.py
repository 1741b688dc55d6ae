"""Solvers against each other, as text: pairs first, ranks last."""

from __future__ import annotations

import string
from collections import defaultdict
from typing import Final

from slimbench.bench.results.results import Results
from slimbench.reports.statistics.comparisons import (
    DIFFERENT,
    TOO_FEW,
    average_ranks,
    cliques,
    friedman_test,
    pairwise,
)
from slimbench.reports.tables.numbers import count_text, p_value_text, times_text
from slimbench.reports.tables.tables import Cell, Table, records

FACTOR_DIGITS: Final = 4


def pairs(results: Results) -> Table:
    """Every pair of solvers."""
    rows = [
        [
            Cell(row["first"], "name"),
            Cell(row["second"], "name"),
            Cell(str(row["n_instances"])),
            *(Cell(str(row[f"n_only_{side}"])) for side in ("first", "second")),
            *(Cell(str(row[count])) for count in ("wins", "ties", "losses")),
            Cell(times_text(row["median_factor"], FACTOR_DIGITS)),
            Cell(p_value_text(row["p_value"])),
            Cell(p_value_text(row["p_holm"])),
            Cell(f"{row['better']} is better", "good")
            if row["verdict"] == DIFFERENT
            else Cell(row["verdict"], "text"),
        ]
        for row in records(pairwise(results))
    ]
    titles = ("first", "second", "instances", "only first", "only second", "wins", "ties", "losses",
              "saving of first ÷ second, median", "p", "p, corrected", "verdict")  # fmt: skip
    return Table(titles, rows, "pairwise")


def ranks(results: Results) -> Table:
    """Average ranks; solvers that share a letter are not shown to differ."""
    letters: defaultdict[str, list[str]] = defaultdict(list)
    no_letter = "not tested" if pairwise(results)["verdict"].eq(TOO_FEW).any() else "none"
    for row in records(cliques(results)):
        letters[row["solver"]].append(_letters(row["clique"]))
    rows = [
        [
            Cell(row["solver"], "name"),
            Cell(f"{row['average_rank']:.2f}"),
            Cell(str(row["n_blocks"])),
            Cell(" ".join(letters[row["solver"]]) or no_letter, "text"),
        ]
        for row in records(average_ranks(results))
    ]
    return Table(("solver", "average rank", "instances", "not shown to differ"), rows, "average_ranks")


def friedman_sentence(results: Results) -> str:
    """What the ranks are over, and whether all solvers may be equally good."""
    test = friedman_test(results)
    over = f"Over {count_text(test.n_blocks, 'instance')} on which all {test.n_solvers} have a placement"
    dropped = f" ({count_text(test.n_dropped, 'other')} not counted)" if test.n_dropped else ""
    left_out = f" Not compared for want of any placement: {', '.join(test.left_out)}." * bool(test.left_out)
    if test.remark:
        return f"No test of all solvers together: {test.remark}.{left_out}"
    found = f"chi-square {test.statistic:.2f}, p = {p_value_text(test.p_value)}"
    return f"{over}{dropped}, Friedman's test gives {found}.{left_out}"


def _letters(number: int) -> str:
    """Letters as columns of a spreadsheet have them: a to z, then aa, ab and so on."""
    text = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, len(string.ascii_lowercase))
        text = string.ascii_lowercase[digit] + text
    return text
