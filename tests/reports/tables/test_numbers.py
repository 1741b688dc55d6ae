"""Numbers as text: rounded against the solver, with units."""

import math

import pytest

from slimbench.reports.tables.numbers import (
    estimate_text,
    factor_text,
    gap_text,
    p_value_text,
    percent_text,
    ratio_text,
    share_text,
    signed_text,
    tally_text,
    time_text,
    times_text,
)

NAN = math.nan


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (1.0, 1.0, "1.0000"),
        (0.99996, 0.99996, "0.9999"),  # not optimal, so never 1.0000
        (0.95, 0.95, "0.9500"),
        (0.1 + 0.2, 0.1 + 0.2, "0.3000"),
        (0.98761, 0.98762, "0.9876–0.9877"),  # noqa: RUF001
        (0.0, 1.0, "0.0000–1.0000"),  # noqa: RUF001
        (NAN, NAN, "–"),  # noqa: RUF001
    ],
)
def test_ratio_is_rounded_down_and_its_upper_end_up(low, high, text):
    assert ratio_text(low, high) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(1.00001, 1.00001, "1.0001"), (1.00009, 1.1, "1.0000–1.1000"), (1.0, math.inf, "1.0000–∞")],  # noqa: RUF001
)
def test_factor_is_rounded_up(low, high, text):
    assert factor_text(low, high) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.234, "1.23 s"), (0.9996, "1.00 s"), (0.01234, "12.3 ms"), (1.2e-5, "0.0120 ms"), (0.0, "0 ms"),
     (61.0, "61.0 s"), (1234.0, "1,230 s"), (NAN, "–"), (math.inf, "–")],  # noqa: RUF001
)  # fmt: skip
def test_time_has_three_digits_and_a_unit(seconds, text):
    assert time_text(seconds) == text


def test_margin_shows_its_sign_and_is_rounded_down():
    assert [signed_text(x) for x in (0.25, 0.0, -0.00001)] == ["+0.2500", "+0.0000", "-0.0001"]


def test_share_is_rounded_outwards():
    assert (share_text(1 / 3, 2 / 3), share_text(0.5, 0.5)) == ("33–67 %", "50 %")  # noqa: RUF001


def test_gap_is_rounded_up_unless_proven():
    cases = [(1.1, False), (1 + 1e-9, False), (1 + 1e-9, True), (NAN, False)]
    assert [gap_text(1.0, *case) for case in cases] == ["9.091 %", "0.001 %", "0 %", "–"]  # noqa: RUF001


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.02436, "2.436 %"), (1.02 - 1, "2.000 %"), (0.0243601, "2.437 %"), (1.1e-6, "0.001 %"),
     (1e-6, "0 %"), (0.0, "0 %"), (20.5, "2,050.000 %"), (NAN, "–"), (math.inf, "–")],  # noqa: RUF001
)  # fmt: skip
def test_percentage_is_rounded_up_beyond_the_precision_of_exact_methods(share, text):
    assert percent_text(share) == text


def test_factors_and_tallies_are_rounded():
    assert [times_text(x) for x in (1.0, 0.996, 1234.5, NAN)] == ["1.00×", "1.00×", "1,234.50×", "–"]  # noqa: RUF001
    assert [tally_text(x) for x in (0.0, 6.6, 12345.0, NAN)] == ["0", "7", "12,345", "–"]  # noqa: RUF001


def test_a_loss_below_zero_is_a_gain_and_rounded_to_be_a_smaller_one():
    assert [percent_text(x) for x in (-0.25, -0.123456789, -5e-7, -2e-6)] == [
        "-25.000 %", "-12.345 %", "0 %", "0.000 %",
    ]  # fmt: skip


def test_a_p_value_is_never_rounded_to_be_more_significant():
    assert [p_value_text(p) for p in (0.04991, 0.05, 1e-9, 0.0, 1.0, NAN)] == [
        "0.0500", "0.0500", "0.0001", "0.0001", "1.0000", "–",  # noqa: RUF001
    ]  # fmt: skip


def test_an_estimate_has_its_interval_rounded_outwards_if_there_is_one():
    texts = [estimate_text(1.024, 0.989, 1.061), estimate_text(1.5, NAN, NAN), estimate_text(NAN, NAN, NAN)]
    assert texts == ["1.02 (0.98–1.07)", "1.50", "–"]  # noqa: RUF001
    assert estimate_text(0.0, -0.004, 1.0) == "0.00 (-0.01–1.00)"  # noqa: RUF001
    assert times_text(0.99876, 4) == "0.9988×"  # noqa: RUF001
