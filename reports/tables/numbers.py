"""Formats of numbers: ratios rounded against the solver, times with a unit."""

from __future__ import annotations

import math
import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

DASH: Final = "\N{EN DASH}"
NOTHING: Final = DASH
RATIO_DIGITS: Final = Decimal("0.0001")
EXACT: Final = 1e-6
_NUMBER: Final = re.compile(r"(?P<sign>[+-]?)(?P<number>\d[\d,]*(\.\d+)?)( (?P<unit>ms)$)?")
_NOISE: Final = Decimal("1e-9")  # 0.95 computed as 0.9499999999999999 is 0.9500


def ratio_text(low: float, high: float) -> str:
    """``0.9876`` of a point, ``0.9512–0.9804`` of an interval: its low end rounded down, its high end up.

    A point is rounded down, so that 1.0000 means reached.
    """
    return _interval(low, high, _rounded(low, ROUND_FLOOR))


def factor_text(low: float, high: float) -> str:
    """The same for a factor of at least 1, which is better the smaller it is: a point is rounded up."""
    return _interval(low, high, _rounded(high, ROUND_CEILING))


def signed_text(value: float) -> str:
    """A margin with its sign, rounded down."""
    if math.isnan(value):
        return NOTHING
    text = _rounded(value, ROUND_FLOOR)
    return text if text[0] in "-∞" else f"+{text}"


def share_text(low: float, high: float) -> str:
    """``50 %`` or ``25–50 %``, the low end rounded down and the high end up."""
    if math.isnan(low):
        return NOTHING
    first, last = math.floor(100 * low + 1e-9), math.ceil(100 * high - 1e-9)
    return f"{first} %" if low == high or first == last else f"{first}{DASH}{last} %"


def time_text(seconds: float, digits: int = 3) -> str:
    """Seconds or milliseconds with ``digits`` significant digits: ``1.23 s``, ``12.3 ms``."""
    if not math.isfinite(seconds):
        return NOTHING
    if float(f"{seconds:.{digits}g}") >= 1:
        return f"{significant(seconds, digits)} s"
    return f"{significant(1000 * seconds, digits)} ms"


def memory_text(megabytes: float) -> str:
    """``123 MB``."""
    return f"{significant(megabytes)} MB" if math.isfinite(megabytes) else NOTHING


def gap_text(saving: float, bound: float, closed: bool) -> str:
    """(bound - saving) / bound in percent, rounded up; 0 where they agree."""
    if math.isnan(saving) or math.isnan(bound):
        return NOTHING
    if closed or bound <= 0:
        return "0 %"
    return f"{Decimal(100 * (1 - saving / bound)).quantize(Decimal('0.001'), ROUND_CEILING)} %"


def percent_text(share: float) -> str:
    """A gap or a loss as ``2.436 %``, rounded up; 0 to 1e-6, the precision of exact methods."""
    if not math.isfinite(share):
        return NOTHING
    if abs(share) <= EXACT:
        return "0 %"
    rounded = (Decimal(100 * share) - _NOISE).quantize(Decimal("0.001"), ROUND_CEILING)
    return f"{rounded + 0:,} %"  # no -0


def p_value_text(p_value: float) -> str:
    """``0.0123``, rounded up: never more significant than it is, and never 0."""
    return NOTHING if math.isnan(p_value) else _rounded(max(p_value, float(RATIO_DIGITS)), ROUND_CEILING)


def estimate_text(value: float, low: float, high: float) -> str:
    """``1.02 (0.98–1.06)``: an estimate and its confidence interval, rounded outwards, if there is one."""
    if not math.isfinite(value):
        return NOTHING
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{value:.2f}"
    digits = Decimal("0.01")
    first = (Decimal(low) + _NOISE).quantize(digits, ROUND_FLOOR) + 0
    last = (Decimal(high) - _NOISE).quantize(digits, ROUND_CEILING) + 0
    return f"{value:.2f} ({first}{DASH}{last})"


def times_text(factor: float, digits: int = 2) -> str:
    """``1.47×`` of a factor."""
    return f"{factor:,.{digits}f}\N{MULTIPLICATION SIGN}" if math.isfinite(factor) else NOTHING


def tally_text(count: float) -> str:
    """``1,234`` of a median of counts, rounded."""
    return f"{count:,.0f}" if math.isfinite(count) else NOTHING


def order_value(text: str) -> float | str:
    """What a column of texts of this module is sorted by: seconds, megabytes, the low end of an interval.

    A text that starts with no number is sorted as it stands.
    """
    found = _NUMBER.match(text)
    if not found:
        return -math.inf if text == NOTHING else text
    number = float(found["number"].replace(",", "")) * (-1 if found["sign"] == "-" else 1)
    return number / 1000 if found["unit"] == "ms" else number


def significant(value: float, digits: int = 3) -> str:
    """``digits`` significant digits without an exponent; trailing zeros stay."""
    if value == 0:
        return "0"
    rounded = Decimal(f"{value:.{digits - 1}e}")
    return f"{rounded:,.{max(0, digits - 1 - rounded.adjusted())}f}"


def difference_text(low: float, high: float) -> str:
    """A difference of ratios, each end rounded outwards; negative where planning on less was better."""
    if math.isnan(low):
        return NOTHING
    first, last = math.floor(1e4 * low + 1e-5) / 1e4, math.ceil(1e4 * high - 1e-5) / 1e4
    return f"{last:.4f}" if low == high else f"{first:.4f} to {last:.4f}"


def amount_text(kind: str, amount: float) -> str:
    """``1,024`` tokens, ``25 %`` of a trace, or a standard deviation."""
    if kind == "part":
        return f"{100 * amount:.3g} %"
    return f"{amount:,.0f}" if kind == "tokens" else f"{amount:g}"


def value_text(value: object) -> str:
    """``0.25`` of a number, the name of anything else."""
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def count_text(count: int, noun: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _interval(low: float, high: float, point: str) -> str:
    if low == high or math.isnan(low):
        return point
    return f"{_rounded(low, ROUND_FLOOR)}{DASH}{_rounded(high, ROUND_CEILING)}"


def _rounded(value: float, direction: str) -> str:
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    exact = Decimal(value) + (_NOISE if direction == ROUND_FLOOR else -_NOISE)
    return str(exact.quantize(RATIO_DIGITS, direction)).replace("-0.0000", "0.0000")
