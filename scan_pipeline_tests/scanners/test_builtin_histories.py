"""Each built-in scanner on charts drawn by hand: it finds what its title says, and not what lacks one thing of it.

A chart is 300 bars of one symbol. What a scanner must find is drawn first; the near misses are the same chart with one
thing changed, which their name tells. All of them, and a market of symbols around them, are ingested and scanned by the
pipeline as a night would.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scan_pipeline.pipeline import Pipeline
from scan_pipeline.scanners.registry import BUILTIN_DIR, read_scanner
from scan_pipeline.sessions import Calendar
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.desk import Row, write_csv
from scan_pipeline_tests.scans import prepare, query

BARS = 300
WEDNESDAY, FRIDAY = date(2025, 10, 15), date(2025, 10, 17)
#: Shares a day, usually.
USUAL = 2e6


class Chart:
    """Bars of one symbol, counted back from the last, which is 0. They open where the bar before closed."""

    def __init__(self, *points: tuple[int, float], spread: float = 0.005, bars: int = BARS) -> None:
        """Closes on straight lines between the points, (bars back, close); flat before the first and after the last.

        `spread`: how far a bar reaches beyond open and close, as a share of them.
        """
        back = np.arange(bars)[::-1]
        places, closes = zip(*sorted(points), strict=True)
        self.spread = spread
        self.close = np.interp(back, places, closes)
        self.open = np.concatenate([self.close[:1], self.close[:-1]])
        self.high = np.maximum(self.open, self.close) * (1 + spread)
        self.low = np.minimum(self.open, self.close) * (1 - spread)
        self.volume = np.full(bars, USUAL)

    def bar(self, back: int, **values: float) -> "Chart":
        """Change a bar. `times`: its volume in usual ones. High and low go along with open and close if not given."""
        at = len(self.close) - 1 - back
        if "times" in values:
            values["volume"] = values.pop("times") * USUAL
        if "open" in values or "close" in values:
            open_, close = values.get("open", self.open[at]), values.get("close", self.close[at])
            reach = {"high": max(open_, close) * (1 + self.spread), "low": min(open_, close) * (1 - self.spread)}
            values = {**reach, **values}
        for name, value in values.items():
            getattr(self, name)[at] = value
        return self

    def bars(self, backs: Sequence[int], **values: float) -> "Chart":
        """Change several bars alike."""
        for back in backs:
            self.bar(back, **values)
        return self

    def days(self, *changes: float, times: Sequence[float] = (), until: int = 0) -> "Chart":
        """The last bars up to `until` anew: each opens at the close before, and closes that many percent higher."""
        for place, change in enumerate(changes):
            back = until + len(changes) - 1 - place
            before = float(self.close[len(self.close) - 2 - back])
            self.bar(back, open=before, close=before * (1 + change / 100))
            if times:
                self.bar(back, times=times[place])
        return self


@dataclass(frozen=True)
class Case:
    """A chart that a scanner must find, or must not."""

    scanner: str
    name: str
    chart: Chart
    is_hit: bool
    session: date = WEDNESDAY
    market_cap: float | None = None


def flat(price: float = 50, **given: float) -> Chart:
    return Chart((0, price), **given)  # type: ignore[arg-type]


def crashed_and_back() -> Chart:
    """Tripled within the year, fell, and came back today in one leap."""
    return Chart((299, 30), (230, 30), (229, 100), (60, 100), (59, 70), (1, 70), (0, 99))


def cases() -> Iterator[Case]:
    for scanner, charts in CHARTS.items():
        for name, chart, is_hit, *rest in charts():
            yield Case(scanner, name, chart, is_hit, *rest)


Charts = Iterator[tuple]  # type: ignore[type-arg]
HIT, MISS = True, False


def minervini_trend_template() -> Charts:
    def steady() -> Chart:
        return Chart((299, 40), (0, 80))

    yield "a price that doubled in fourteen months", steady(), HIT
    yield "24 % below the year's high", steady().bar(45, high=105), HIT
    yield "closes below its 50-day average", Chart((299, 20), (5, 80), (0, 71)), MISS
    plateau = Chart((299, 100), (200, 100), (199, 45), (0, 99))
    yield "the 200-day average is lower than a month ago", plateau, MISS
    rested = Chart((299, 40), (150, 40), (149, 90), (51, 90), (50, 80), (1, 80), (0, 95))
    yield "the 50-day average is below the 150-day one", rested, MISS
    yield "28 % above the year's low", Chart((60, 62.5), (0, 80), spread=0.001), MISS
    yield "26 % below the year's high", steady().bar(45, high=109), MISS
    weak = Chart((299, 85), (245, 85), (225, 57), (0, 80))
    yield "no stronger than the market over the year", weak, MISS
    yield "200 bars held", Chart((199, 40), (0, 80), bars=200), MISS


def canslim_technicals() -> Charts:
    def breakout(times: float = 1.6, close: float = 84, begin: float = 30) -> Chart:
        base = Chart((299, begin), (60, 80), (50, 76), (40, 80), (30, 77), (20, 80), (10, 78), (1, 80))
        return base.bar(0, close=close, times=times)

    yield "a leader that leaves a base of twelve weeks on volume", breakout(), HIT
    yield "on 1.3 times its usual volume", breakout(times=1.3), MISS
    yield "still within the base", breakout(close=80.2), MISS
    yield "the high of the year is far above", breakout().bar(100, high=95), MISS
    yield "a laggard", breakout(begin=75), MISS
    yield "the 50-day average is below the 200-day one", crashed_and_back().bar(0, times=1.6), MISS


def darvas_box() -> Charts:
    def box(close: float = 83, times: float = 2, top: int = 12) -> Chart:
        chart = Chart((299, 40), (top, 80), (top - 1, 78), (0, 78))
        return chart.bar(0, close=close, times=times)

    yield "closes above a box of twelve days", box().bar(7, low=74), HIT
    yield "on its usual volume", box(times=1).bar(7, low=74), MISS
    yield "goes above the top and closes within the box", box(close=80).bar(7, low=74).bar(0, high=83), MISS
    yield "the top stood for two days", box(top=3), MISS
    yield "the bottom is of yesterday", box().bar(1, low=74), MISS
    yield "the box is a quarter deep", box().bar(7, low=60), MISS
    yield "the top is four months old", box(top=80).bar(30, high=79.9).bar(7, low=74), MISS
    older = box().bar(7, low=74).bar(150, high=90)
    yield "a box below the high of the year", older, MISS


def nr7() -> Charts:
    def narrow(half: float) -> Chart:
        return flat(spread=0.01).bar(0, high=50 + half, low=50 - half)

    yield "a fifth of the usual range", narrow(0.1), HIT
    yield "narrowest, but three quarters of the usual range", narrow(0.38), MISS
    yield "the third day before was as narrow", narrow(0.1).bar(3, high=50.1, low=49.9), MISS
    yield "the seventh day before was as narrow", narrow(0.1).bar(7, high=50.1, low=49.9), HIT
    yield "did not move at all", narrow(0), MISS
    yield "an offer holds the price", flat(spread=0.002).bar(0, high=50.02, low=49.98), MISS


def ttm_squeeze_fired() -> Charts:
    def resting() -> Chart:
        return flat(spread=0.02)

    yield "a jump after a long rest", resting().bar(0, close=60, times=3), HIT
    yield "a fall after a long rest", resting().bar(0, close=41, times=3), HIT
    yield "still at rest", resting().bar(0, close=50.5), MISS
    yield "was not at rest before", Chart((40, 50), (20, 70), (1, 50), (0, 60), spread=0.002), MISS
    yield "at rest for three days only", Chart((23, 35), (22, 50), spread=0.02).bar(0, close=60, times=3), MISS
    yield "fired yesterday", resting().bar(1, close=60, times=3).bar(0, open=60, close=61), MISS


def golden_cross() -> Charts:
    def below() -> Chart:
        return Chart((50, 50), (49, 49.9))

    yield "the 50-day average rises above the 200-day one", below().bar(0, close=60), HIT
    yield "it did yesterday", below().bar(1, close=60).bar(0, open=60, close=61), MISS
    yield "it stays below", below().bar(0, close=50), MISS
    yield "it falls below", Chart((50, 50), (49, 50.1)).bar(0, close=40), MISS
    yield "150 bars held", Chart((50, 50), (49, 49.9), bars=150).bar(0, close=60), MISS


def pocket_pivot() -> Charts:
    def base(times: float = 1.5, change: float = 1.0) -> Chart:
        chart = Chart((299, 50), (0, 80))
        return chart.days(-0.5, until=6).days(-0.5, times=[1.25], until=3).days(change, times=[times])

    yield "more volume than any down day of ten", base(), HIT
    yield "an up day had more volume", base().bar(4, times=3), HIT
    yield "the down day had more volume", base(times=1.2), MISS
    yield "a down day", base(change=-0.4), MISS
    yield "8 % above the 10-day average", base(change=8.5), MISS
    yield "below the 50-day average", Chart((299, 30), (60, 90), (1, 80)).days(1.6, times=[2]), MISS
    yield "below the 10-day average", Chart((299, 50), (0, 80)).days(-0.8, -0.8, -0.8, 0.3, times=[1, 1, 1, 1.5]), MISS
    under = Chart((299, 160), (60, 60), (0, 80)).days(-0.5, until=3).days(1, times=[2])
    yield "below the 200-day average", under, MISS
    yield "no down day among the ten", Chart((299, 50), (0, 80)).days(1, times=[2]), MISS


def volatility_contraction() -> Charts:
    def swings(last: float = 77.5, middle: float = 72, first: float = 64, top: float = 80) -> Chart:
        points = (299, 40), (59, 80), (45, first), (29, 80), (20, middle), (9, 80), (5, last), (0, top)
        return Chart(*points, spread=0.004).bars(range(10), times=0.7)

    yield "swings of 20, 10 and 3 %", swings(), HIT
    yield "the last swing is two thirds of the one before", swings(last=74.8), MISS
    yield "the one before is as wide as the first", swings(middle=66), MISS
    yield "the last swing is 9 % deep", swings(last=72.8, middle=63, first=48), MISS
    yield "the volume stays", swings().bars(range(10), times=1.05), MISS
    yield "a tenth below the high of 60 days", swings().bar(50, high=89), MISS
    yield "in a downtrend", Chart(
        (299, 160), (59, 80), (45, 64), (29, 80), (20, 72), (9, 80), (5, 77.5), (0, 80), spread=0.004
    ).bars(range(10), times=0.7), MISS  # fmt: skip
    held = Chart((299, 40), (59, 80), (45, 60), (29, 80), (20, 79.5), (9, 80), (5, 79.9), (0, 80), spread=0.0005)
    yield "an offer holds the price", held.bars(range(10), times=0.7), MISS


def gap_up_continuation() -> Charts:
    def gap(**changes: float) -> Chart:
        given = {"gap_open": 53, "gap_close": 54, "times": 3, "close": 56, "low": 53.9} | changes
        chart = flat().bar(1, open=given["gap_open"], close=given["gap_close"], times=given["times"])
        return chart.bar(0, open=given["gap_close"], close=given["close"], low=given["low"])

    yield "gaps up 6 % and goes on", gap(), HIT
    yield "gaps up 3 %", gap(gap_open=51.5), MISS
    yield "on 1.5 times its usual volume", gap(times=1.5), MISS
    yield "the day of the gap ends below its open", gap(gap_open=55, low=55.1, gap_close=54.9).bar(0, open=55.5), MISS
    yield "ends below yesterday's high", gap(close=54.2), MISS
    yield "comes back to yesterday's open", gap(low=52.9), MISS


def gap_down_continuation() -> Charts:
    def gap(**changes: float) -> Chart:
        given = {"gap_open": 47, "gap_close": 46, "times": 3, "close": 44, "high": 46.1} | changes
        chart = flat().bar(1, open=given["gap_open"], close=given["gap_close"], times=given["times"])
        return chart.bar(0, open=given["gap_close"], close=given["close"], high=given["high"])

    yield "gaps down 6 % and goes on", gap(), HIT
    yield "gaps down 3 %", gap(gap_open=48.5), MISS
    yield "on 1.5 times its usual volume", gap(times=1.5), MISS
    yield "the day of the gap ends above its open", gap(gap_open=45.9, high=45.8).bar(0, open=45.5), MISS
    yield "ends above yesterday's low", gap(close=45.9), MISS
    yield "comes back to yesterday's open", gap(high=47.2), MISS


RUN = (4, 8, 11, 16)
RISING = (1.3, 1.8, 2.4, 3.5)


def extended(
    run: Sequence[float] = RUN, times: Sequence[float] = RISING, until: int = 0, spread: float = 0.005
) -> Chart:
    return flat(spread=spread).days(*run, times=times, until=until)


def parabolic_d1() -> Charts:
    yield "four green days, each larger, on rising volume", extended(), HIT
    yield "the last is red", extended().bar(0, open=78, close=71), MISS
    yield "only two are green", extended().bar(2, open=59, close=56), MISS
    yield "a run of an eighth", extended((2, 3, 3, 4)), MISS
    yield "a stock that moves as far on any day", extended(spread=0.12), MISS
    yield "less volume than yesterday", extended(times=(1.3, 1.8, 3.5, 2.4)), MISS
    yield "on its usual volume", extended(times=(1, 1.01, 1.02, 1.03)), MISS
    yield "the high of 50 days is above", extended().bar(40, high=80), MISS
    yield "green, but lower", extended(until=1).bar(0, open=68, close=71.5, high=73, times=4), MISS
    yield "a day later", extended(until=1), MISS


def parabolic_d2() -> Charts:
    yield "the next day, a red one", extended(until=1).bar(0, open=75, close=66), HIT
    yield "the next day, a green one", extended(until=1).days(9), HIT
    yield "the day itself", extended((2, 3, 4, 30)), MISS
    yield "the last day was green, but lower", extended(until=2).bar(1, open=68, close=71.5, high=73, times=4), MISS
    yield "two days later", extended(until=2), MISS
    yield "the last day of the run was red", extended(until=1).bar(1, open=78, close=71), MISS
    yield "only two of its days were green", extended(until=1).bar(3, open=59, close=56), MISS
    yield "the run was of an eighth", extended((2, 3, 3, 4), until=1), MISS
    yield "a stock that moves as far on any day", extended(until=1, spread=0.12), MISS
    yield "the volume fell on its last day", extended(times=(1.3, 1.8, 3.5, 2.4), until=1), MISS
    yield "it was on the usual volume", extended(times=(1, 1.01, 1.02, 1.03), until=1), MISS
    yield "the high of 50 days was above", extended(until=1).bar(40, high=80), MISS


def first_red_day() -> Charts:
    yield "red after four green days", extended(until=1).days(-3), HIT
    yield "another green day", extended(until=1).days(3), MISS
    yield "closes below its open but above the last close", extended(until=1).bar(0, open=75, close=73), MISS
    yield "closes below the last close but above its open", extended(until=1).bar(0, open=66, close=68), MISS
    yield "the second red day", extended(until=2).days(-3, -3), MISS
    yield "only two days were green", extended(until=1).bar(3, open=59, close=56).days(-3), MISS
    yield "after a run of 13 %", extended((2, 3, 3, 4), until=1).days(-3), MISS


def oversold_reversal() -> Charts:
    def dip(days: Sequence[float] = (-2, -2, -2), begin: float = 40, **today: float) -> Chart:
        chart = Chart((299, begin), (0, 80)).days(*days, until=1)
        close, low = float(chart.close[-2]), float(chart.low[-2])
        given = {"open": close * 0.995, "close": close * 1.01, "low": low * 0.99} | {
            name: close * value for name, value in today.items()
        }
        return chart.bar(0, **given)

    yield "three days down, a lower low, and back up", dip(), HIT
    yield "in a downtrend", dip(begin=160), MISS
    yield "no lower low", dip(open=1, low=0.996), MISS
    yield "closes below yesterday's close", dip(close=0.999), MISS
    yield "closes in the lower half of its range", dip(high=1.06), MISS
    yield "yesterday was up", dip(days=(-2, -2, 2)), MISS


def rs_leaders_near_highs() -> Charts:
    def leader() -> Chart:
        return Chart((299, 20), (0, 80))

    yield "quadrupled, at its high", leader(), HIT
    yield "4 % below the year's high", leader().bar(30, high=83), HIT
    yield "a tenth below the year's high", leader().bar(30, high=89), MISS
    yield "closes below its 50-day average", Chart((299, 20), (60, 80), (1, 80)).bar(0, close=78), MISS
    yield "as strong as the market", Chart((299, 58), (0, 80)), MISS
    yield "the 50-day average is below the 200-day one", crashed_and_back(), MISS
    yield "200 bars held", Chart((199, 20), (0, 80), bars=200), MISS


def lows_52w_on_volume() -> Charts:
    def falling(times: float = 2, **today: float) -> Chart:
        given = {"open": 44.8, "close": 42.2, "low": 42} | today
        return Chart((299, 60), (0, 45)).bar(0, times=times, **given)

    yield "closes at its lowest low of the year on volume", falling(), HIT
    yield "was lower more than a year ago", falling().bar(270, low=40), HIT
    yield "on its usual volume", falling(times=1), MISS
    yield "was lower earlier in the year", falling().bar(100, low=40), MISS
    yield "comes back to the middle of its range", falling(close=43.5), MISS
    yield "closes above its open", falling(open=42.1, close=42.3, high=45), MISS
    yield "200 bars held", Chart((199, 60), (0, 45), bars=200).bar(0, times=2, open=44.8, close=42.2, low=42), MISS


def high_tight_flag() -> Charts:
    def flag(top: float = 42, low: float = 36, begin: int = 40, bars: int = 12) -> Chart:
        return Chart((begin, 20), (bars, top), (bars - 4, low), (0, 39 * top / 42))

    yield "doubles in six weeks and rests for two", flag(), HIT
    yield "was higher half a year ago", flag().bar(120, high=50), MISS
    yield "rose by 75 %", flag(top=35, low=31), MISS
    yield "gave back 30 %", flag(low=29), MISS
    yield "took five months to double", flag(begin=110), MISS
    yield "at its high three days ago", Chart((40, 20), (3, 42), (0, 39)), MISS
    yield "rests for six weeks", flag(begin=50, bars=30), MISS


def inside_week_breakout() -> Charts:
    def weeks(today: date = WEDNESDAY, close: float = 51.5, times: float = 1.3) -> Chart:
        passed = today.weekday()  # sessions of this week before today; weeks without a holiday
        chart = flat().bar(passed + 7, high=52, low=48).bar(passed + 3, high=51, low=49.5)
        return chart.bar(0, close=close, times=times)

    yield "closes above an inside week on the Wednesday after", weeks(), HIT
    yield "on the Friday after", weeks(FRIDAY), HIT, FRIDAY
    yield "last week went below the week before", weeks().bar(4, low=47.5), MISS
    yield "last week went above the week before", weeks(close=53).bar(4, high=52.5), MISS
    yield "goes above and comes back", weeks(close=50.8).bar(0, high=51.5), MISS
    yield "did so yesterday", weeks().bar(1, close=51.4).bar(0, open=51.4), MISS
    yield "on less than its usual volume", weeks(times=0.9), MISS


def post_gap_drift() -> Charts:
    def gap(open_: float = 54, times: float = 3, close: float = 56) -> Chart:
        chart = Chart((5, 50), (4, 55), (0, close)).bar(5, open=open_, close=55, times=times, low=min(open_, 53))
        return chart.bar(4, open=55)

    yield "gapped up 8 % a week ago and went on", gap(), HIT
    yield "gapped up 4 %", gap(open_=52), MISS
    yield "on 1.5 times its usual volume", gap(times=1.5), MISS
    yield "the gap was filled since", gap().bar(2, low=49.9), MISS
    yield "closes below the day of the gap", gap(close=54.8), MISS
    yield "the day after", Chart((6, 50), (5, 55), (0, 56)).bar(6, open=54, close=55, times=3).bar(5, open=55), MISS


def unusual_dollar_volume_small_caps() -> Charts:
    def busy(times: float = 6, price: float = 50) -> Chart:
        return flat(price).bar(0, times=times)

    yield "1 billion, six times its usual volume", busy(), HIT, WEDNESDAY, 1e9
    yield "3 billion", busy(), MISS, WEDNESDAY, 3e9
    yield "four times its usual volume", busy(times=4), MISS, WEDNESDAY, 1e9
    yield "size unknown, usually 10 million dollars a day", busy(price=5), HIT
    yield "size unknown, usually 100 million dollars a day", busy(), MISS
    yield "3 billion, usually 10 million dollars a day", busy(price=5), MISS, WEDNESDAY, 3e9
    thin = flat(1.5)
    thin.volume *= 0.5
    yield "9 million dollars", thin.bar(0, times=3), MISS, WEDNESDAY, 1e9


def distribution_warning() -> Charts:
    def sold(days: Sequence[int] = (20, 16, 12, 8, 4, 0), times: float = 2, change: float = -1.5) -> Chart:
        chart = flat()
        for back in range(24, -1, -1):
            chart.days(change if back in days else 0.2, times=[times if back in days else 1], until=back)
        return chart

    yield "six days of distribution, the last one today", sold(), HIT
    yield "five days", sold(days=(16, 12, 8, 4, 0)), MISS
    yield "the sixth was 26 days ago", sold(days=(16, 12, 8, 4, 0)).days(-1.5, times=[2], until=25), MISS
    before = (21, 17, 13, 9, 5, 1)
    yield "a seventh day that closes 0.5 % lower", sold(before).days(-0.5, times=[2.2]), MISS
    yield "a seventh day on less volume than the day before", sold((21, 17, 13, 9, 5, 2)).bar(1, times=2.5).days(
        -1.5, times=[2]
    ), MISS  # fmt: skip
    quiet = sold((21, 17, 13, 9, 5, 2)).days(-1.5, times=[1.05])
    yield "a seventh day on less than the usual volume", quiet, MISS
    yield "they closed 0.5 % lower", sold(change=-0.5), MISS
    yield "12 % below the high of 50 days", sold().bar(40, high=57), MISS


CHARTS: dict[str, Callable[[], Charts]] = {
    function.__name__: function
    for function in (
        minervini_trend_template, canslim_technicals, darvas_box, nr7, ttm_squeeze_fired, golden_cross, pocket_pivot,
        volatility_contraction, gap_up_continuation, gap_down_continuation, parabolic_d1, parabolic_d2, first_red_day,
        oversold_reversal, rs_leaders_near_highs, lows_52w_on_volume, high_tight_flag, inside_week_breakout,
        post_gap_drift, unusual_dollar_volume_small_caps, distribution_warning,
    )
}  # fmt: skip
CASES = {f"C{number:03}": case for number, case in zip(count(), cases(), strict=False)}

#: The market around the cases: a hundred symbols that gained 28 to 42 % over 250 bars, the later the more, by sector;
#: the last three are the strongest, and too few to be a sector of their own.
SECTORS = ("Utilities", "Finance", "Technology", "Energy")
MARKET = {
    f"M{number:03}": (SECTORS[number // 25] if number < 97 else "Shipping", 1.28 + 0.0014 * number)
    for number in range(100)
}


def market_chart(gain: float) -> Chart:
    """A steady rise."""
    chart = Chart((0, 60))
    chart.close = 60 / gain ** (np.arange(BARS)[::-1] / 250)
    chart.open = np.concatenate([chart.close[:1], chart.close[:-1]])
    chart.high, chart.low = chart.close * 1.005, chart.open * 0.995
    return chart


@pytest.fixture(scope="module")
def pipeline(settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory, calendar: Calendar) -> Pipeline:
    """All cases and the market around them, scanned on both sessions with the default limits."""
    folder = tmp_path_factory.mktemp("charts")
    feed = folder / "market" / "feed"
    feed.mkdir(parents=True)
    charts = {symbol: (case.chart, case.session) for symbol, case in CASES.items()}
    charts |= {symbol: (market_chart(gain), FRIDAY) for symbol, (_, gain) in MARKET.items()}
    write_feed(feed, charts, calendar)
    write_reference(feed.parent / "symbols.csv")
    pipeline = Pipeline(settings_at(folder / "data", provider="files", files_path=feed))
    list(pipeline.ingest(calendar.between(calendar.before(WEDNESDAY, BARS - 1), FRIDAY), "charts"))
    assert query(pipeline, "select symbol, rule from rejected_bars") == []
    sessions = [WEDNESDAY, FRIDAY]
    prepare(pipeline, sessions)
    list(pipeline.scan(sessions, "charts"))
    return pipeline


def write_feed(feed: Path, charts: dict[str, tuple[Chart, date]], calendar: Calendar) -> None:
    columns: dict[str, list[np.ndarray]] = {}
    for symbol, (chart, last) in charts.items():
        bars = len(chart.close)
        given = {
            "symbol": np.full(bars, symbol),
            "date": np.array(calendar.between(calendar.before(last, bars - 1), last), dtype="datetime64[D]"),
            **{name: getattr(chart, name) for name in ("open", "high", "low", "close", "volume")},
        }
        for name, values in given.items():
            columns.setdefault(name, []).append(values)
    pq.write_table(pa.table({name: np.concatenate(parts) for name, parts in columns.items()}), feed / "bars.parquet")


def write_reference(path: Path) -> None:
    rows: list[Row] = [{"symbol": symbol, "sector": sector} for symbol, (sector, _) in MARKET.items()]
    rows += [
        {"symbol": symbol, "market_cap": case.market_cap, "as_of": "2025-01-02"}
        for symbol, case in CASES.items()
        if case.market_cap
    ]
    write_csv(path, rows)


@pytest.fixture(scope="module")
def hits(pipeline: Pipeline) -> set[tuple[str, date, str]]:
    """Scanner, session and symbol of every hit, the ones beyond the scanners' limits left out."""
    return set(query(pipeline, "select scanner, session, symbol from scan_results"))


def test_every_scanner_runs(pipeline: Pipeline) -> None:
    assert query(pipeline, "select scanner, message from scanner_outcomes where not ok") == []


def test_all_cases_pass_the_screen(pipeline: Pipeline) -> None:
    passed = set(query(pipeline, "select session, symbol from prefiltered_symbols where passed"))
    assert {(case.session, symbol) for symbol, case in CASES.items()} <= passed


@pytest.mark.parametrize(
    ("symbol", "case"),
    CASES.items(),
    ids=[f"{case.scanner}: {'' if case.is_hit else 'not '}{case.name}" for case in CASES.values()],
)
def test_a_chart_is_found_only_if_it_is_what_the_title_says(
    hits: set[tuple[str, date, str]], symbol: str, case: Case
) -> None:
    assert ((case.scanner, case.session, symbol) in hits) is case.is_hit


def test_no_limit_hides_a_case(pipeline: Pipeline) -> None:
    most = dict(query(pipeline, "select scanner, max(hits) from scanner_outcomes group by scanner"))
    limits = {name: read_scanner(BUILTIN_DIR / f"{name}.sql").limit or 0 for name in CHARTS}
    assert {name for name, limit in limits.items() if most[name] >= limit} == set()


def test_sector_leaders_are_the_five_strongest_of_the_three_strongest_sectors(pipeline: Pipeline) -> None:
    rows = query(
        pipeline,
        "select symbol from scan_results where scanner = 'sector_leaders' and session = ? order by rank",
        FRIDAY,
    )
    energy, technology, finance = (list(range(first, first - 5, -1)) for first in (96, 74, 49))
    assert [symbol for (symbol,) in rows] == [f"M{number:03}" for number in energy + technology + finance]


def test_every_built_in_scanner_of_a_known_name_has_charts_that_it_finds_and_others() -> None:
    first_ones = {
        "breakout_52w", "gap_and_go", "oversold_bounce", "pullback_sma_20", "tight_range", "unusual_volume",
    }  # fmt: skip
    assert set(CHARTS) | first_ones | {"sector_leaders"} == {path.stem for path in BUILTIN_DIR.glob("*.sql")}
    for scanner in CHARTS:
        kinds = {case.is_hit for case in CASES.values() if case.scanner == scanner}
        assert kinds == {HIT, MISS}, scanner
