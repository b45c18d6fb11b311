# SPDX-License-Identifier: Apache-2.0
"""Samples and distributions as SVG that stands in a page: no script, no request, readable without colour.

Each arm has a shape and a dash of its own beside its colour, and its name stands in the picture. Colours
come from the page's style sheet, by class, so that they fit its light and its dark form.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from statistics import median

from fleetsched.model.evidence import CANDIDATE, INCUMBENT, KERNEL_DEFAULT_ARM, Measured
from fleetsched.model.medians import median_interval
from fleetsched.model.observation import Buckets
from fleetsched.views.measures import ARM_TITLES, amount, direction, number

_WIDTH = 340  # as wide as a small telephone shows without scaling
_LEFT, _RIGHT = 10, 10
_ROW = 46
_DOT = 3.5
_ORDER = (KERNEL_DEFAULT_ARM, INCUMBENT, CANDIDATE)


def samples_plot(metric: Measured, name: str) -> str:
    """Draw every run of every arm, its median and the median's interval.

    Args:
        metric: what was measured.
        name: unique in the page.
    """
    arms = [arm for arm in _ORDER if arm in metric.samples]
    low, high = _range([value for arm in arms for value in metric.samples[arm]])
    height = _ROW * len(arms) + 40
    parts: list[str] = []
    for row, arm in enumerate(arms):
        parts += _row(arm, metric, row * _ROW + 4, low, high)
    parts += _axis(low, high, _ROW * len(arms) + 6, metric.unit)
    medians = "; ".join(f"{ARM_TITLES[arm]} {number(median(metric.samples[arm]))}" for arm in arms)
    title = f"{metric.metric} in {metric.unit}, {direction(metric)}"
    said = f"A dot a run, by scheduler; medians: {medians}. The table has the numbers."
    return _svg(name, title, said, height, parts)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Begin at 0 unless that would press everything together."""
    low, high = min(values), max(values)
    if 0 <= low <= 0.8 * high:
        low = 0.0
    if low == high:
        low, high = low - (abs(low) or 1), high + (abs(high) or 1)
    return low, high


def _x(value: float, low: float, high: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (value - low) / (high - low)


def _row(arm: str, metric: Measured, top: int, low: float, high: float) -> Iterator[str]:
    values = metric.samples[arm]
    middle, y = median(values), top + 29
    yield f'<text x="{_LEFT}" y="{top + 11}">{escape(ARM_TITLES[arm])}</text>'
    yield (
        f'<text x="{_WIDTH - _RIGHT}" y="{top + 11}" text-anchor="end">median '
        f"{escape(amount(middle, metric.unit))}</text>"
    )
    yield f'<g class="arm {arm}">'
    begin, end = median_interval(values)
    if math.isfinite(begin):
        left, right = _x(begin, low, high), _x(end, low, high)
        size = f'width="{right - left:.1f}" height="16" rx="2"'
        yield f'<rect class="interval" x="{left:.1f}" y="{y - 8}" {size}/>'
    for place, value in enumerate(values):
        yield _shape(arm, _x(value, low, high), y + (place % 5 - 2) * 2.5)
    x = _x(middle, low, high)
    yield f'<path class="median" d="M{x:.1f} {y - 11}V{y + 11}"/></g>'


def _shape(arm: str, x: float, y: float) -> str:
    if arm == KERNEL_DEFAULT_ARM:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_DOT}"/>'
    if arm == INCUMBENT:
        return f'<rect x="{x - _DOT:.1f}" y="{y - _DOT:.1f}" width="{2 * _DOT:.1f}" height="{2 * _DOT:.1f}"/>'
    reach = _DOT + 1
    return f'<path d="M{x - reach:.1f} {y:.1f}l{reach} {-reach} {reach} {reach} {-reach} {reach}z"/>'


def _axis(low: float, high: float, y: int, unit: str) -> Iterator[str]:
    yield f'<path class="axis" d="M{_LEFT} {y}H{_WIDTH - _RIGHT}"/>'
    for tick in _ticks(low, high):
        x = _x(tick, low, high)
        anchor = "start" if x < _LEFT + 20 else "end" if x > _WIDTH - _RIGHT - 20 else "middle"
        yield f'<path class="axis" d="M{x:.1f} {y}v4"/>'
        yield f'<text class="tick" x="{x:.1f}" y="{y + 16}" text-anchor="{anchor}">{number(tick)}</text>'
    said = ["number" if unit == "1" else unit, *(["the axis does not begin at 0"] if low > 0 else [])]
    yield f'<text class="tick" x="{_LEFT}" y="{y + 30}">{escape("; ".join(said))}</text>'


def _ticks(low: float, high: float) -> Iterator[float]:
    """Round numbers, three to six of them."""
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = math.ceil(low / step - 1e-9)
    for place in range(first, math.floor(high / step + 1e-9) + 1):
        yield place * step


_PLOT_HEIGHT, _TOP, _LABELS = 170, 12, 46
_LEAST = 1e-4
_SHARES = ((1.0, "100 %"), (0.1, "10 %"), (0.01, "1 %"), (0.001, "0.1 %"), (_LEAST, "0.01 %"))


def distribution_plot(metric: str, buckets: Mapping[str, Buckets], name: str) -> str:
    """Draw which share of the waits was longer than a time.

    Both axes go by powers of ten, because the tail is what matters.

    Args:
        metric: what was counted.
        buckets: by arm.
        name: unique in the page.
    """
    arms = [arm for arm in _ORDER if buckets.get(arm)]
    ends = [end for arm in arms for end, _ in buckets[arm]]
    low, high = math.floor(math.log10(min(ends))), math.ceil(math.log10(max(ends)))
    high = max(high, low + 1)
    bottom = _TOP + _PLOT_HEIGHT

    def across(end_ns: float) -> float:
        share = (math.log10(end_ns) - low) / (high - low)
        return _LABELS + (_WIDTH - _LABELS - _RIGHT) * share

    def down(share: float) -> float:
        return _TOP + _PLOT_HEIGHT * math.log10(max(share, _LEAST)) / math.log10(_LEAST)

    parts = [
        f'<path class="grid" d="M{_LABELS} {down(share):.1f}H{_WIDTH - _RIGHT}"/>'
        f'<text class="tick" x="{_LABELS - 5}" y="{down(share) + 4:.1f}" text-anchor="end">{text}</text>'
        for share, text in _SHARES
    ]
    for power in range(low, high + 1):
        x = across(10.0**power)
        anchor = "end" if power == high else "middle"
        parts.append(f'<path class="grid" d="M{x:.1f} {_TOP}V{bottom}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{bottom + 16}" text-anchor="{anchor}">{_time(power)}</text>'
        )
    for row, arm in enumerate(arms):
        points = [(across(end), down(share)) for end, share in _longer(buckets[arm])]
        path = f"M{across(10.0**low):.1f} {down(1):.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in points)
        y = bottom + 36 + 18 * row
        parts.append(
            f'<g class="arm {arm}"><path class="line" d="{path}"/>'
            f'<path class="line" d="M{_LABELS} {y - 4}h36"/></g>'
            f'<text x="{_LABELS + 44}" y="{y}">{escape(ARM_TITLES[arm])}</text>'
        )
    title = f"{metric.replace('_', ' ')}: share of waits longer than a time"
    said = "A line a scheduler; further left and lower is better. The table has the percentiles."
    return _svg(name, title, said, bottom + 28 + 18 * len(arms), parts)


def _longer(buckets: Buckets) -> Iterator[tuple[int, float]]:
    """Say of each bucket's end which share of all waits is longer."""
    left = total = sum(count for _, count in buckets)
    for end, count in buckets:
        left -= count
        yield end, left / total


def _time(power: int) -> str:
    units = ((9, "s"), (6, "ms"), (3, "us"), (0, "ns"))
    zeros, unit = next((each for each in units if power >= each[0]), units[-1])
    return f"{10 ** (power - zeros):,} {unit}"


def _svg(name: str, title: str, said: str, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(said)}</desc>'
        + "".join(parts)
        + "</svg>"
    )
