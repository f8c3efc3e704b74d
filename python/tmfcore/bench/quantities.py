"""Times and ratios as text."""

from __future__ import annotations

__all__ = ["duration", "times"]


def times(ratio: float) -> str:
    """Three figures, without an exponent."""
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"


def duration(seconds: float) -> str:
    """Three figures and a unit: 1.30 ns, 45.8 ms."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)):
        if seconds >= scale or unit == "ns":
            value = seconds / scale
            return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"
    raise AssertionError("the loop ends with ns")
