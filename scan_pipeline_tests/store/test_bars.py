"""Taking a delivery in: which print becomes the bar, what becomes of the others, and that nothing goes missing."""

import itertools
import json
import math
import shutil
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scan_pipeline.pipeline import Pipeline
from scan_pipeline.providers.files import FilesProvider
from scan_pipeline.sessions import Calendar
from scan_pipeline.store import migrations
from scan_pipeline.store.bars import take_in
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.desk import FRI, MON, THU, TUE, WED, WEEK, Desk, Row, bar, broken_accounts, write_csv


def printed(on: str, close: float, day: str = MON, symbol: str = "AAA", **values: Any) -> Row:
    """A print of Monday's bar, told from others by its close."""
    return bar(symbol, day, reported_on=on, close=close, **values)


PRINTS = "close, first_reported_on, reported_on"


# Which print stands


def test_the_later_print_is_the_bar_and_both_days_of_reporting_are_kept(desk: Desk) -> None:
    desk.parquet([printed(MON, 10.1), printed(TUE, 10.2)])
    outcome = desk.ingest(MON)[MON]
    assert desk.bars(PRINTS) == [(10.2, MON, TUE)]
    assert (outcome.delivered, outcome.bars, outcome.superseded, outcome.rejected) == (2, 1, 1, {})


def test_the_order_of_lines_and_files_does_not_make_an_earlier_print_stand(desk: Desk) -> None:
    desk.parquet([printed(WED, 10.3)], "a.parquet")
    desk.parquet([printed(TUE, 10.2), printed(MON, 10.1)], "b.parquet")
    desk.ingest(MON)
    assert desk.bars(PRINTS) == [(10.3, MON, WED)]


def test_if_the_later_print_is_bad_the_earlier_good_one_stands(desk: Desk) -> None:
    desk.parquet([printed(MON, 10.1), printed(TUE, 0.0)])
    outcome = desk.ingest(MON)[MON]
    assert desk.bars(PRINTS) == [(10.1, MON, MON)]
    assert desk.rejected("rule, reported_on") == [("price_not_positive", TUE)]
    assert (outcome.bars, outcome.superseded, outcome.rejected, outcome.lost_bars) == (
        1,
        0,
        {"price_not_positive": 1},
        0,
    )


def test_if_the_earlier_print_is_bad_the_later_good_one_stands(desk: Desk) -> None:
    desk.parquet([printed(MON, math.nan), printed(TUE, 10.2)])
    outcome = desk.ingest(MON)[MON]
    assert desk.bars("close, reported_on") == [(10.2, TUE)]
    assert (outcome.bars, outcome.rejected, outcome.lost_bars) == (1, {"unparsable": 1}, 0)


def test_a_bar_without_one_good_print_is_lost_and_counted_once(desk: Desk) -> None:
    desk.parquet([printed(MON, 0.0), printed(TUE, math.nan), printed(MON, 10.1, symbol="ZZZ")])
    outcome = desk.ingest(MON)[MON]
    assert desk.bars("symbol") == [("ZZZ",)]
    assert (outcome.delivered, outcome.lost_bars, outcome.lost_share) == (3, 1, 0.5)


@pytest.mark.parametrize("reported", [{"reported_on": MON}, {}])
def test_of_two_lines_for_one_bar_in_one_delivery_the_later_line_stands(desk: Desk, reported: Row) -> None:
    rows = [bar("AAA", MON, close=close, **reported) for close in (10.1, 10.2, 10.3)]
    desk.csv(rows)
    outcome = desk.ingest(MON)[MON]
    assert desk.bars() == [(MON, "AAA", 10.3)]
    assert [json.loads(raw)["close"] for (raw,) in desk.rejected("raw")] == [10.1, 10.2]
    assert (outcome.bars, outcome.rejected, outcome.lost_bars) == (1, {"duplicate": 2}, 0)


def test_a_double_of_a_superseded_print_is_a_duplicate_too(desk: Desk) -> None:
    desk.parquet([printed(MON, 10.1), printed(MON, 10.2), printed(TUE, 10.3)])
    outcome = desk.ingest(MON)[MON]
    assert desk.bars(PRINTS) == [(10.3, MON, TUE)]
    assert (outcome.superseded, outcome.rejected) == (1, {"duplicate": 1})


def test_a_bad_line_does_not_make_a_good_one_a_duplicate(desk: Desk) -> None:
    desk.parquet([printed(MON, 10.1), printed(MON, 0.0)])
    assert desk.ingest(MON)[MON].rejected == {"price_not_positive": 1}
    assert desk.bars() == [(MON, "AAA", 10.1)]


def test_symbols_that_differ_in_case_are_different_symbols(desk: Desk) -> None:
    desk.csv([bar("BFA", MON, close=10.1), bar("BFa", MON, close=10.2), bar(" BFA.B ", MON, close=10.3)])
    desk.ingest(MON)
    assert desk.bars() == [(MON, "BFA", 10.1), (MON, "BFA.B", 10.3), (MON, "BFa", 10.2)]


def test_prices_are_stored_as_delivered_and_adjusted_closes_beside_them(desk: Desk) -> None:
    desk.parquet([bar("AAA", MON, close=10.5, adj_close=1.5), bar("BBB", MON, adj_close=None)])
    desk.ingest(MON)
    assert desk.bars("symbol, close, adj_close") == [("AAA", 10.5, 1.5), ("BBB", 10.5, None)]


# Taking a session in again


def week_of_prints() -> list[Row]:
    """Every day's delivery holds its session and the one before again, revised; some of it is bad."""
    rows = []
    for yesterday, day in itertools.pairwise([None, *WEEK]):
        for number, symbol in enumerate(["AAA", "BBB", "CCC"]):
            rows.append(printed(day, 10 + number / 10, day, symbol))
            if yesterday:
                rows.append(printed(day, 10.5 + number / 10, yesterday, symbol, volume=2000.0))
    rows.append(printed(TUE, 0.0, TUE, "DDD"))
    rows.append(printed(WED, 10.9, MON, "BBB", high=1.0))
    rows.append(printed(THU, 10.8, THU, "AAA"))
    return rows


def test_ingesting_again_changes_nothing(desk: Desk) -> None:
    desk.parquet(week_of_prints())
    first = desk.ingest()
    before = desk.content()
    assert desk.ingest() == first
    assert desk.content() == before
    assert broken_accounts(desk) == []


def test_one_session_again_leaves_the_others_alone(desk: Desk) -> None:
    desk.parquet(week_of_prints())
    desk.ingest()
    before = desk.content()
    desk.csv([bar("AAA", day, close=9.1, reported_on=FRI) for day in WEEK])
    desk.ingest(WED)
    assert [close for session, symbol, close in desk.bars() if symbol == "AAA" and session != WED] == [
        close for session, symbol, _, _, _, close, *_ in before["bars"] if symbol == "AAA" and session != WED
    ]
    assert (WED, "AAA", 9.1) in desk.bars()
    assert broken_accounts(desk) == []


def test_a_week_session_by_session_or_out_of_order_is_the_week_at_once(
    desk: Desk, settings_at: SettingsFactory, tmp_path: Path
) -> None:
    desk.parquet([*week_of_prints(), bar("AAA", "2015-07-11", reported_on=MON)])
    desk.ingest()
    other = Desk(Pipeline(settings_at(tmp_path / "other", provider="files", files_path=desk.feed)), desk.feed, [])
    for day in (WED, FRI, MON, TUE, THU):
        other.ingest(day)
    assert other.content() == desk.content()


def test_a_replaced_session_is_as_if_it_had_been_ingested_afresh(
    desk: Desk, settings_at: SettingsFactory, tmp_path: Path
) -> None:
    desk.parquet(week_of_prints())
    desk.ingest()
    revisions = [
        printed(FRI, 9.9, TUE, "AAA"),
        printed(FRI, 0.0, TUE, "CCC"),
        printed(FRI, 10.0, TUE, "NEW"),
        printed(FRI, 10.0, TUE, "DDD"),
    ]
    desk.parquet([*week_of_prints(), *revisions])
    desk.ingest()
    fresh = Desk(Pipeline(settings_at(tmp_path / "fresh", provider="files", files_path=desk.feed)), desk.feed, [])
    fresh.ingest()
    assert desk.content() == fresh.content()
    assert (TUE, "DDD", 10.0) in desk.bars()


def test_the_day_of_the_first_print_is_remembered_when_the_feed_forgets_it(desk: Desk) -> None:
    desk.parquet([printed(MON, 10.1)])
    desk.ingest(MON)
    desk.parquet([printed(TUE, 10.2)])
    desk.ingest(MON)
    assert desk.bars(PRINTS) == [(10.2, MON, TUE)]


def test_a_bar_that_the_vendor_withdraws_is_gone(desk: Desk) -> None:
    desk.parquet([printed(MON, 10.1), printed(MON, 10.1, symbol="ZZZ")])
    desk.ingest(MON)
    desk.parquet([printed(MON, 10.1)])
    desk.ingest(MON)
    assert desk.bars("symbol") == [("AAA",)]


def test_a_session_for_which_nothing_is_delivered_fails_and_the_others_land(desk: Desk) -> None:
    desk.parquet([bar("AAA", MON), bar("AAA", WED)])
    assert list(desk.ingest(MON, TUE, WED)) == [MON, WED]
    assert f"The provider 'files' has no bars for {TUE}. It has {MON} to {WED}." in desk.said[-1]


def test_a_session_for_which_nothing_is_delivered_any_more_keeps_its_bars(desk: Desk) -> None:
    desk.parquet([bar("AAA", MON), bar("AAA", TUE)])
    desk.ingest(MON, TUE)
    before = desk.content()
    desk.parquet([bar("AAA", MON)])
    desk.ingest(MON, TUE)
    assert desk.content() == before


def test_a_session_for_which_nothing_is_delivered_is_not_among_those_held(desk: Desk) -> None:
    desk.parquet([bar("AAA", MON)])
    desk.ingest(MON, TUE)
    assert desk.ask("select session from ingested_sessions") == [(MON,)]


def test_a_file_that_has_been_mended_leaves_no_rejected_row_behind(desk: Desk) -> None:
    path = desk.csv([bar("AAA", MON), bar("BBB", MON), bar("CCC", MON)])
    whole = path.read_text()
    path.write_text(whole.replace("CCC,2015-07-13,10.0", "CCC"))
    desk.ingest(MON)
    assert len(desk.rejected()) == 1
    path.write_text(whole)
    desk.ingest(MON)
    assert desk.rejected() == []
    assert len(desk.bars()) == 3


# Nothing goes missing, whatever is delivered


PRICES = st.sampled_from([None, math.nan, math.inf, -1.0, 0.0, 9.0, 10.0, 10.5, 11.0, 12.0])
DAYS = [*WEEK, "2015-07-11", "2015-07-12", "2015-07-18", "2015-07-20", None]
ROWS = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from(["AAA", "BBB", "symbol", " AAA", "", None]),
        "date": st.sampled_from(DAYS),
        "open": PRICES | st.just(10.0),
        "high": st.just(11.0) | PRICES,
        "low": st.just(9.0) | PRICES,
        "close": st.sampled_from([9.5, 10.0, 10.5]) | PRICES,
        "volume": st.sampled_from([0.0, 100.0, 200.0]) | st.sampled_from([None, math.nan, -1.0]),
        "reported_on": st.sampled_from([MON, TUE, THU, FRI, None]),
    }
)


def verdict(row: Row, taken: list[str]) -> str | None:
    """The rule that the row breaks, in the words of its description: an independent reading."""
    symbol = (row["symbol"] or "").strip()
    numbers = [row[name] for name in ("open", "high", "low", "close", "volume")]
    if row["date"] is None and (row["symbol"] or "").lower() in ("symbol", "ticker"):
        return "header_line"
    if not symbol or row["date"] is None or any(value is None or not math.isfinite(value) for value in numbers):
        return "unparsable"
    if row["date"] not in taken:
        return "not_a_session"
    open_, high, low, close, volume = numbers
    faults = {
        "price_not_positive": min(open_, high, low, close) <= 0,
        "high_below_low": high < low,
        "open_outside_range": not low <= open_ <= high,
        "close_outside_range": not low <= close <= high,
        "negative_volume": volume < 0,
    }
    return next((rule for rule, holds in faults.items() if holds), None)


def expected(rows: list[Row], taken: list[str]) -> tuple[dict[tuple[str, str], Row], Counter[tuple[Any, ...]]]:
    """The bars by session and symbol, and the rejected rows by session, symbol and rule."""
    bars: dict[tuple[str, str], Row] = {}
    rejected: Counter[tuple[Any, ...]] = Counter()
    prints = defaultdict(list)
    for line, row in enumerate(rows):
        counted_on = row["date"] or row["reported_on"]
        session = next((day for day in taken if counted_on <= day), None) if counted_on else None
        symbol = (row["symbol"] or "").strip() or None
        rule = verdict(row, taken)
        if rule:
            rejected[session, symbol, rule] += 1
        else:
            prints[row["date"], symbol].append((row["reported_on"] or "", line, row))
    for (session, symbol), good in prints.items():
        good.sort(key=lambda one: one[:2])
        bars[session, symbol] = good[-1][2]
        doubled = sum(one[0] == other[0] for one, other in itertools.pairwise(good))
        if doubled:
            rejected[session, symbol, "duplicate"] += doubled
    return bars, rejected


@settings(max_examples=30)
@given(rows=st.lists(ROWS, min_size=1, max_size=25), csv=st.booleans())
def test_every_delivered_row_is_a_bar_superseded_or_rejected_by_its_rule(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], csv: bool
) -> None:
    folder = tmp_path_factory.mktemp("feed")
    _write(folder, rows, csv)
    taken, previous = [date.fromisoformat(day) for day in WEEK], date(2015, 7, 10)
    with duckdb.connect() as connection:
        migrations.migrate(connection)
        [(_, _, delivery)] = FilesProvider(folder).deliveries(taken, previous)
        outcomes, undated = take_in(connection, delivery, taken, previous, "test")
        bars = connection.execute("select session::VARCHAR, symbol, close, volume from price_bars").fetchall()
        rejected = connection.execute("select session::VARCHAR, symbol, rule from rejected_bars").fetchall()
    shutil.rmtree(folder)

    within = [row for row in rows if _belongs(row)]
    wanted_bars, wanted_rejected = expected(within, list(WEEK))
    assert {(session, symbol): (close, volume) for session, symbol, close, volume in bars} == {
        key: (row["close"], row["volume"]) for key, row in wanted_bars.items()
    }
    assert len(bars) == len(wanted_bars)
    assert Counter(rejected) == wanted_rejected
    assert undated == sum(session is None for session, *_ in rejected)
    assert sum(one.delivered for one in outcomes) + undated == len(within)
    for one in outcomes:
        assert one.delivered == one.bars + one.superseded + sum(one.rejected.values())
        assert one.bars == sum(session == str(one.session) for session, *_ in bars)


def _belongs(row: Row) -> bool:
    """Whether a row is for the week or the days between the session before it and the week."""
    day = row["date"] or row["reported_on"]
    return day is None or "2015-07-10" < day <= FRI


def _write(folder: Path, rows: list[Row], csv: bool) -> None:
    if csv:
        write_csv(folder / "bars.csv", rows)
        return
    numbers = {name: pa.float64() for name in ("open", "high", "low", "close", "volume")}
    days = {name: pa.date32() for name in ("date", "reported_on")}
    schema = pa.schema({"symbol": pa.string()} | numbers | days)
    typed = [row | {name: row[name] and date.fromisoformat(row[name]) for name in days} for row in rows]
    pq.write_table(pa.Table.from_pylist(typed, schema), folder / "bars.parquet")


# The real feed


@pytest.fixture(scope="module")
def real_desk(real_feed: Path, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    data = tmp_path_factory.mktemp("real")
    return Desk(Pipeline(settings_at(data, provider="files", files_path=real_feed)), real_feed, [])


@pytest.mark.slow
def test_the_real_feed_is_accounted_for_to_the_last_row(real_desk: Desk, calendar: Calendar) -> None:
    sessions = [str(day) for day in calendar.between(date(2015, 3, 20), date(2016, 3, 31))]
    outcomes = real_desk.ingest(*sessions).values()
    assert [str(one.session) for one in outcomes] == sessions
    assert sum(one.delivered for one in outcomes) == 3_152_740
    assert sum(one.bars for one in outcomes) == 1_580_583
    assert sum(one.superseded for one in outcomes) == 1_547_486
    assert sum(sum(one.rejected.values()) for one in outcomes) == 24_671
    assert sum(one.lost_bars for one in outcomes) == 125
    feed = f"read_parquet('{real_desk.feed}/*.parquet')"
    [(distinct,)] = duckdb.sql(f"select count(*) from (select distinct symbol, date from {feed})").fetchall()
    assert distinct == 1_580_708 == 1_580_583 + 125
    assert broken_accounts(real_desk) == []


@pytest.mark.slow
def test_real_prices_are_stored_as_traded(real_desk: Desk, calendar: Calendar) -> None:
    days = [str(day) for day in calendar.between(date(2015, 7, 8), date(2015, 7, 21))]
    real_desk.ingest(*days)
    netflix = real_desk.ask(
        "select session, symbol, open, high, low, close, volume, adj_close, reported_on from price_bars "
        "where symbol = 'NFLX' and session between ? and ? order by session",
        days[0],
        days[-1],
    )
    latest = duckdb.sql(
        f"""
        select date::VARCHAR, symbol, open, high, low, close, volume, adj_close, reported_on::VARCHAR
        from read_parquet('{real_desk.feed}/*.parquet')
        where symbol = 'NFLX' and date between '{days[0]}' and '{days[-1]}'
        qualify row_number() over (partition by date order by reported_on desc) = 1 order by date
        """
    ).fetchall()
    assert netflix == latest
    # The split of 1 to 7 on 2015-07-15 is a fall of the price to a seventh.
    closes = {session: close for session, _, _, _, _, close, *_ in netflix}
    assert closes["2015-07-14"] > 700
    assert closes["2015-07-15"] < 100
