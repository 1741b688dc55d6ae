"""The adaptive report: numbers as text, who comes first, figures that draw what they say."""

import numpy as np
import pandas as pd
import pytest

from slimbench.bench.adaptive.results import AdaptiveResults
from slimbench.reports.charts.adaptive import adaptive_charts
from slimbench.reports.charts.chart import svg
from slimbench.reports.pages.adaptive_page import write_adaptive_report
from slimbench.reports.tables.adaptive_tables import over_sequences, overall, policies_in_short, regret_text

SEQUENCE = {
    "sequence_hash": "0" * 64, "dispatch": "single", "periods": 2, "servers": 1, "users": 1, "experts": 2,
    "top_k": 1, "tokens": 200.0, "cost_none_s": 22.0, "bound_by": "offline", "note": "nothing changes",
}  # fmt: skip
POLICY = {
    "seed": 1, "message": "", "periods": 2, "serving_s": 10.0, "fetching_s": 3.0, "first_bytes": 10**9,
    "moved_bytes": 3 * 10**9, "cloud_bytes": 0, "neighbour_bytes": 0, "decision_median_s": 0.1,
}  # fmt: skip
PERIOD = {
    "message": "", "tokens": 100.0, "servers_down": 0, "serving_s": 5.0, "fetching_s": 1.5, "cloud_bytes": 1,
    "neighbour_bytes": 0, "decision_s": 0.1,
}  # fmt: skip


@pytest.fixture
def results():
    """Two sequences, one with a proven optimum; one policy sees the future, one fails, one wins."""
    sequences = [
        SEQUENCE
        | {"sequence": name, "closed": closed, "optimum_low_s": low, "optimum_high_s": 13.0, "best_by": "a"}
        for name, closed, low in (("<proven>", True, 13.0), ("open", False, 10.0))
    ]
    policies, periods = [], []
    for sequence in sequences:
        low, high = sequence["optimum_low_s"], sequence["optimum_high_s"]
        for policy, sees, total in (
            ("offline", "future", 13.0),
            ("a", "present", 13.0),
            ("b[x=1]", "past", 20.0),
        ):
            failed = int(policy == "b[x=1]" and sequence["closed"])
            policies.append(
                POLICY
                | {
                    "sequence": sequence["sequence"], "policy": policy, "sees": sees, "total_s": total,
                    "status": "failed" if failed else "ok", "periods_failed": failed,
                    "regret_low_s": total - high, "regret_high_s": total - low,
                    "ratio_low": total / high, "ratio_high": total / low,
                }
            )  # fmt: skip
            periods += [
                PERIOD
                | {
                    "sequence": sequence["sequence"], "policy": policy, "period": t,
                    "latency_s": 0.05 * (1 + t),
                    "status": "error" if failed and t else "ok", "cumulative_s": total * (1 + t) / 2,
                }
                for t in range(2)
            ]  # fmt: skip
    frames = (pd.DataFrame(rows) for rows in (sequences, policies, periods))
    return AdaptiveResults("test", *frames, {"suite": "test"})


def test_the_least_worst_ratio_comes_first(results):
    table = overall(results)
    assert table["policy"].tolist() == ["offline", "a", "b[x=1]"]
    assert table["worst_sequence"].tolist() == ["open"] * 3
    b = table.iloc[2]
    assert (b["worst_low"], b["worst_high"]) == pytest.approx((20 / 13, 2.0))
    assert (b["regret_low_s"], b["regret_high_s"]) == pytest.approx((14.0, 17.0))
    assert (b["periods_failed"], b["periods"]) == (1, 4)
    assert over_sequences(results).rows[2][-1].kind == "number bad"


def test_an_unproven_optimum_makes_an_interval(results):
    rows = {
        (row[0].text, row[1].text): [cell.text for cell in row] for row in policies_in_short(results).rows
    }
    assert rows["<proven>", "a"][4:8] == ["0.00 s", "1.0000", "1.00 GB", "2.00 GB"]
    assert rows["open", "a"][4:6] == ["0.00–3.00 s", "1.0000–1.3000"]  # noqa: RUF001
    assert rows["<proven>", "b[x=1]"][-1] == "1 of 2"
    assert regret_text(1234.5, 1234.5) == "1,234.50 s"


def test_the_report_says_which_policy_that_can_be_run_is_best_and_names_are_no_markup(results, tmp_path):
    text = write_adaptive_report(results, tmp_path).read_text("utf-8")
    headline = "Best worst case: a costs at most 1.0000–1.3000 times the offline optimum, on open"  # noqa: RUF001
    assert headline in text
    assert "<proven>" not in text
    assert "&lt;proven&gt;" in text
    assert "known on 1 of 2 sequences, claimed by one code base" in text
    assert "1 failed" in text
    failed = pd.read_csv(tmp_path / "tables" / "failed_periods.csv")
    assert failed[["policy", "period", "status"]].to_numpy().tolist() == [["b[x=1]", 1, "error"]]
    again = write_adaptive_report(results, tmp_path).read_text("utf-8")
    assert again == text


def test_figures_draw_and_their_data_are_right(results):
    costs, latencies, trade_off = adaptive_charts(results)
    for chart in (costs, latencies, trade_off):
        assert b"<svg" in svg(chart)
        assert "2 sequences, 6 courses of 3 policies, decisions failed: 1" in chart.title
    assert costs.data.groupby("period")["above_s"].min().tolist() == [0.0, 0.0]
    assert costs.data["above_s"].max() == pytest.approx(7.0)
    assert np.allclose(latencies.data["latency_ms"], 1000 * latencies.data["latency_s"])
    assert set(trade_off.data["moved_gb"]) == {3.0}
