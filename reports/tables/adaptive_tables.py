"""The tables of an adaptive report as text."""

from __future__ import annotations

from typing import Any

import pandas as pd

from slimbench.bench.adaptive.results import AdaptiveResults
from slimbench.reports.tables.numbers import DASH, factor_text, significant, time_text
from slimbench.reports.tables.tables import Cell, Table, records

GIGABYTE = 1e9
DIGITS = 4  # significant, of costs over a horizon


def policies_in_short(results: AdaptiveResults) -> Table:
    """Each policy on each sequence: cost, regret, bytes, failed periods."""
    rows = [
        [
            Cell(row["sequence"], "name"),
            Cell(row["policy"], "name"),
            Cell(row["sees"], "text"),
            Cell(time_text(row["total_s"], DIGITS)),
            Cell(regret_text(row["regret_low_s"], row["regret_high_s"])),
            Cell(factor_text(row["ratio_low"], row["ratio_high"])),
            Cell(bytes_text(row["first_bytes"])),
            Cell(bytes_text(row["moved_bytes"] - row["first_bytes"])),
            _failed(row),
        ]
        for row in records(results.policies)
    ]
    titles = ("sequence", "policy", "sees", "total cost", "regret", "cost ÷ optimum", "first fill",
              "moved later", "periods failed")  # fmt: skip
    return Table(titles, rows, "policies")


def overall(results: AdaptiveResults) -> pd.DataFrame:
    """Each policy over all sequences, the least worst ratio first, ties by the mean.

    Columns
    -------
    policy, sees, sequences
    worst_low, worst_high, worst_sequence
        The largest cost ÷ offline optimum, at least and at most, and where it is at most that.
    mean_low, mean_high
        The mean of the same.
    regret_low_s, regret_high_s, moved_bytes, periods, periods_failed
        Sums.
    """
    rows = []
    for label, own in results.policies.groupby("policy", sort=False):
        sums = own[["regret_low_s", "regret_high_s", "moved_bytes", "periods", "periods_failed"]].sum()
        rows.append(
            {
                "policy": label,
                "sees": own["sees"].iloc[0],
                "sequences": len(own),
                "worst_low": own["ratio_low"].max(),
                "worst_high": own["ratio_high"].max(),
                "worst_sequence": own["sequence"].iloc[int(own["ratio_high"].argmax())],
                "mean_low": own["ratio_low"].mean(),
                "mean_high": own["ratio_high"].mean(),
                **sums.to_dict(),
            }
        )
    return pd.DataFrame(rows).sort_values(["worst_high", "mean_high"], kind="stable", ignore_index=True)


def over_sequences(results: AdaptiveResults) -> Table:
    """The same as text."""
    rows = [
        [
            Cell(row["policy"], "name"),
            Cell(row["sees"], "text"),
            Cell(f"{row['sequences']}"),
            Cell(factor_text(row["worst_low"], row["worst_high"])),
            Cell(row["worst_sequence"], "name"),
            Cell(factor_text(row["mean_low"], row["mean_high"])),
            Cell(regret_text(row["regret_low_s"], row["regret_high_s"])),
            Cell(bytes_text(row["moved_bytes"])),
            _failed(row),
        ]
        for row in records(overall(results))
    ]
    titles = ("policy", "sees", "sequences", "worst cost ÷ optimum", "there", "mean cost ÷ optimum",
              "regret, sum", "bytes moved, sum", "periods failed")  # fmt: skip
    return Table(titles, rows, "overall")


def sequences(results: AdaptiveResults) -> Table:
    """What was gone through, and the bracket of its offline optimum."""
    rows = [
        [
            Cell(row["sequence"], "name"),
            *(Cell(f"{row[column]:,}") for column in ("periods", "servers", "users", "experts", "top_k")),
            Cell(time_text(row["cost_none_s"], DIGITS)),
            Cell(cost_text(row["optimum_low_s"], row["optimum_high_s"], bool(row["closed"]))),
            Cell("claimed" if row["closed"] else "open", "text" if row["closed"] else "open"),
            Cell(row["bound_by"], "text"),
            Cell(row["best_by"], "text"),
            Cell(row["note"], "text"),
            Cell(row["sequence_hash"][:12], "text"),
        ]
        for row in records(results.sequences)
    ]
    titles = ("sequence", "periods", "servers", "users", "experts", "K", "cost without cache",
              "offline optimum", "optimum", "bound by", "best by", "what changes, what is drawn",
              "sha256")  # fmt: skip
    return Table(titles, rows, "sequences")


def failures(results: AdaptiveResults) -> Table:
    """Every period in which a policy decided nothing that counts."""
    failed = results.periods[results.periods["status"] != "ok"]
    rows = [
        [
            Cell(row["sequence"], "name"),
            Cell(row["policy"], "name"),
            Cell(str(row["period"])),
            Cell(row["status"].replace("_", " "), "bad"),
            Cell(row["message"], "text"),
        ]
        for row in records(failed)
    ]
    return Table(("sequence", "policy", "period", "status", "message"), rows, "failed_periods")


def cost_text(low_s: float, high_s: float, closed: bool) -> str:
    """A cost, or the interval that it lies in."""
    if closed or low_s == high_s:
        return time_text(high_s, DIGITS)
    return f"{significant(low_s, DIGITS)}{DASH}{significant(high_s, DIGITS)} s"


def regret_text(low_s: float, high_s: float) -> str:
    """Seconds above the optimum; an interval where that is open."""
    return f"{low_s:,.2f} s" if low_s == high_s else f"{low_s:,.2f}{DASH}{high_s:,.2f} s"


def bytes_text(count: float) -> str:
    """Gigabytes of 10^9 bytes."""
    return f"{count / GIGABYTE:,.2f} GB"


def _failed(row: dict[str, Any]) -> Cell:
    failed = int(row["periods_failed"])
    return Cell(f"{failed} of {int(row['periods'])}", "number bad" if failed else "number")
