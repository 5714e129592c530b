"""Weeks and months: closed ones alone, as pandas makes them, on the exchange's calendar, and the same whatever comes
later or was before."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from scan_pipeline.features import periods
from scan_pipeline.features.bars import BarBlock, Split, adjust_for_splits, lay_out
from scan_pipeline.features.expressions import parse
from scan_pipeline.features.periods import Period, bars_of
from scan_pipeline.sessions import Calendar
from scan_pipeline_tests.features.made_up import COLUMNS, Bars, block_of, walk

RULES = {"weekly": "W-FRI", "monthly": "ME"}
HOW = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}


def dated(calendar: Calendar, first: date, *symbols: Bars) -> BarBlock:
    """The symbols' bars on the exchange's sessions from `first` on."""
    block = block_of(*symbols)
    start = calendar.index_at_or_after(first)
    count = int(block.session.max(initial=0)) + 1
    return replace(block, days=calendar.days[start : start + count], following=calendar.days[start + count])


def missing(bars: Bars, days: np.ndarray, block: BarBlock) -> BarBlock:
    """The block of one symbol without the bars of these sessions."""
    kept = ~np.isin(block.session, days)
    return replace(
        block,
        session=block.session[kept],
        offsets=np.array([0, kept.sum()]),
        columns={name: bars[name][kept] for name in bars},
        _memo={},
    )


def frame(block: BarBlock) -> pd.DataFrame:
    assert block.days is not None
    return pd.DataFrame({name: block[name] for name in COLUMNS}, index=pd.DatetimeIndex(block.days[block.session]))


def expected(block: BarBlock, period: Period, calendar: Calendar, column: str) -> np.ndarray:
    """pandas' weeks or months, seen from the exchange's last session of each on; without the first if it is cut."""
    bars = frame(block)
    label = {"weekly": "W", "monthly": "M"}[period]
    grouped = bars.groupby(bars.index.to_period(label)).agg(HOW)
    sessions = pd.DatetimeIndex(calendar.days)
    last = pd.Series(sessions, index=sessions.to_period(label)).groupby(level=0).max()
    whole = grouped[pd.Series(sessions, index=sessions.to_period(label)).groupby(level=0).min().reindex(grouped.index)
                    >= pd.Timestamp(block.days[0])]  # fmt: skip
    values = whole[column].to_numpy()
    closed_on = last.reindex(whole.index).to_numpy()
    places = np.searchsorted(closed_on, bars.index.to_numpy(), side="right") - 1
    return np.where(places >= 0, values[np.maximum(places, 0)], np.nan)


@pytest.mark.parametrize("period", ["weekly", "monthly"])
@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("first", [date(2023, 1, 3), date(2024, 3, 11), date(2022, 11, 23)])
def test_a_day_sees_the_last_closed_week_or_month_as_pandas_makes_it(
    calendar: Calendar, period: Period, column: str, first: date
) -> None:
    bars = walk(1, 320)
    block = dated(calendar, first, bars)
    for one in (block, missing(bars, np.array([1, 2, 30, 31, 32, 33, 34, 35, 90, 200, 201, 319]), block)):
        computed = parse(f"{period}.{column}").compute(one)
        known = expected(one, period, calendar, column)
        # A first week that begins after a holiday may be left out: what is known of it is nothing wrong.
        begun = np.flatnonzero(~np.isnan(computed))[0]
        np.testing.assert_allclose(computed[begun:], known[begun:], rtol=1e-12)
        assert begun <= np.flatnonzero(~np.isnan(known))[0] + periods.SESSIONS[period]


def test_a_week_closes_on_its_last_session_which_may_be_a_thursday(calendar: Calendar) -> None:
    """Good Friday, 29 March 2024: the week's close is known on Thursday evening, and so is the month's."""
    block = dated(calendar, date(2024, 1, 2), walk(2, 80))
    assert block.days is not None
    days = block.days.tolist()
    wednesday, thursday, monday = (days.index(day) for day in (date(2024, 3, 27), date(2024, 3, 28), date(2024, 4, 1)))
    weekly, monthly, close = (parse(text).compute(block) for text in ("weekly.close", "monthly.close", "close"))
    assert weekly[wednesday] == close[days.index(date(2024, 3, 22))]
    assert weekly[thursday] == weekly[monday] == close[thursday]
    assert monthly[wednesday] == close[days.index(date(2024, 2, 29))]
    assert monthly[thursday] == monthly[monday] == close[thursday]


def test_the_exchanges_next_session_says_whether_the_last_week_is_over(calendar: Calendar) -> None:
    bars = walk(3, 61)
    until_thursday = dated(calendar, date(2024, 1, 2), bars)
    assert until_thursday.days is not None
    assert until_thursday.days[-1] == np.datetime64("2024-03-28")
    assert parse("weekly.close").compute(until_thursday)[-1] == bars["close"][-1]
    # Where nobody knows the calendar, Friday could still be a session.
    unknowing = replace(until_thursday, following=None, _memo={})
    assert parse("weekly.close").compute(unknowing)[-1] != bars["close"][-1]


@pytest.mark.parametrize("text", ["weekly.close", "weekly.rsi(5)", "weekly.sma(high - low, 4)", "monthly.roc(3)",
                                  "ta.sma(weekly.close, 4)", "weekly.volume", "monthly.prev(low, 2)"])  # fmt: skip
def test_no_value_changes_with_later_bars_nor_with_more_history(calendar: Calendar, text: str) -> None:
    bars = walk(4, 500)
    feature = parse(text)
    whole = feature.compute(dated(calendar, date(2022, 1, 3), bars))
    for end in range(300, 330):
        until = dated(calendar, date(2022, 1, 3), {name: values[:end] for name, values in bars.items()})
        assert np.array_equal(feature.compute(until), whole[:end], equal_nan=True)
    size = bars["volume"].max() if "volume" in text else bars["high"].max()
    for end in range(480, 500):
        start = end - feature.lookback - 1
        first = calendar.days[calendar.index_at_or_after(date(2022, 1, 3)) + start].astype(object)
        few = feature.compute(dated(calendar, first, {name: values[start:end] for name, values in bars.items()}))
        assert few[-1] == pytest.approx(whole[end - 1], rel=1e-9, abs=1e-6 * size)


def test_indicators_of_weeks_are_those_of_weekly_bars(calendar: Calendar) -> None:
    bars = walk(5, 600)
    block = dated(calendar, date(2022, 1, 3), bars)
    assert block.days is not None
    weekly = bars_of(block, "weekly")
    by_pandas = frame(block).resample("W-FRI").agg(HOW)
    # The week of the last session is closed only if that session is its last; the holidays' weeks are whole.
    closed = by_pandas[: len(weekly.session)]
    for column in COLUMNS:
        np.testing.assert_allclose(weekly[column], closed[column], rtol=1e-12)
    seen = parse("weekly.sma(close, 10)").compute(block)
    mean = closed["close"].rolling(10).mean().to_numpy()
    for week, session in enumerate(weekly.session):
        np.testing.assert_allclose(seen[session], mean[week])


def test_each_symbol_has_weeks_of_its_own_and_few_bars_give_none(calendar: Calendar) -> None:
    symbols = [walk(seed, length) for seed, length in ((6, 200), (7, 3), (8, 1), (9, 140))]
    block = dated(calendar, date(2023, 2, 1), *symbols)
    together = parse("weekly.sma(close, 3)").compute(block)
    for number, bars in enumerate(symbols):
        low, high = block.offsets[number], block.offsets[number + 1]
        alone = replace(
            block_of(bars), days=block.days, following=block.following
        )  # the sessions of all, on which this one stopped trading
        assert np.array_equal(parse("weekly.sma(close, 3)").compute(alone), together[low:high], equal_nan=True)
    assert np.isnan(together[200:204]).all()


def test_a_split_restates_the_weeks_before_it(calendar: Calendar) -> None:
    bars = walk(10, 120)
    as_traded = {name: values.copy() for name, values in bars.items()}
    for name in ("open", "high", "low", "close"):
        as_traded[name][62:] /= 2
    as_traded["volume"][62:] *= 2
    split = adjust_for_splits(block_of(as_traded), [Split(0, 62, 62, 1, 2)], 119)
    plain = dated(calendar, date(2024, 1, 2), bars)
    split = replace(split, days=plain.days, following=plain.following)
    for text, factor in (("weekly.high", 0.5), ("weekly.volume", 2), ("weekly.rsi(5)", 1), ("monthly.roc(2)", 1)):
        np.testing.assert_allclose(parse(text).compute(split), factor * parse(text).compute(plain), rtol=1e-9)


def test_days_without_dates_have_no_weeks() -> None:
    with pytest.raises(ValueError, match="dates of its sessions"):
        parse("weekly.close").compute(block_of(walk(11, 30)))


def test_a_block_without_bars_has_no_weeks(calendar: Calendar) -> None:
    block = lay_out(2, np.arange(5), np.empty(0, dtype=np.int32), dict.fromkeys(COLUMNS, np.empty(0)))
    block = replace(block, days=calendar.days[:5])
    assert parse("weekly.close").compute(block).shape == (0,)
