"""The demo market: the same for everybody, and as varied and dirty as a real one."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from scan_pipeline.pipeline import Pipeline
from scan_pipeline.providers.demo import FIRST, FUNDS, LAST, DemoProvider, make_market
from scan_pipeline.sessions import Calendar
from scan_pipeline_tests.conftest import DEMO_SYMBOLS, SettingsFactory

MAKE = """
import sys
from pathlib import Path
from scan_pipeline.providers.demo import DemoProvider
from scan_pipeline.sessions import Calendar
DemoProvider(Path(sys.argv[2]), int(sys.argv[3]), Calendar.load(Path(sys.argv[1])))
"""


def start_making(calendar_cache: Path, folder: Path, symbols: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MAKE, str(calendar_cache), str(folder), str(symbols)], stderr=subprocess.PIPE, text=True
    )


def content(market: Path, symbols: str = "true") -> dict[str, tuple[object, ...]]:
    """For each table of the market: its number of rows and a hash of them, of the chosen symbols."""
    tables = {
        "feed": f"'{market}/feed/*.parquet'",
        "splits": f"'{market}/splits.csv'",
        "symbols": f"'{market}/symbols.csv'",
    }
    return {
        name: duckdb.sql(f"select count(*), bit_xor(hash(t)) from {table} t where {symbols}").fetchall()[0]
        for name, table in tables.items()
    }


def ask(market: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            create view feed as from '{market}/feed/*.parquet';
            create view splits as from '{market}/splits.csv';
            create view symbols as from '{market}/symbols.csv'
            """
        )
        return connection.execute(sql).fetchall()


# The same for everybody


def test_the_market_is_the_same_wherever_it_is_made(demo_market: Path, calendar_cache: Path, tmp_path: Path) -> None:
    makers = [start_making(calendar_cache, tmp_path, DEMO_SYMBOLS) for _ in range(2)]  # at once, in one folder
    assert [(maker.communicate()[1], maker.returncode) for maker in makers] == [("", 0)] * 2
    [made] = tmp_path.iterdir()
    assert content(made) == content(demo_market)
    for name in ("splits.csv", "symbols.csv"):
        assert (made / name).read_bytes() == (demo_market / name).read_bytes()
    assert sorted(path.name for path in (made / "feed").iterdir()) == sorted(
        path.name for path in (demo_market / "feed").iterdir()
    )


@pytest.mark.slow
def test_the_first_symbols_do_not_depend_on_how_many_there_are(
    demo_market: Path, calendar: Calendar, tmp_path: Path
) -> None:
    make_market(tmp_path / "larger", 1_050, calendar)
    [(members,)] = ask(demo_market, "select list(symbol order by symbol) from symbols")
    assert isinstance(members, list)
    assert content(tmp_path / "larger", f"symbol in {members}") == content(demo_market, f"symbol in {members}")
    assert ask(tmp_path / "larger", "select count(*), count(distinct symbol) from symbols") == [(1_050, 1_050)]


def test_a_market_that_is_there_is_used_again(calendar: Calendar, tmp_path: Path) -> None:
    first = DemoProvider(tmp_path, 20, calendar)
    files = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    again = DemoProvider(tmp_path, 20, calendar)
    assert (first.reused, again.reused) == (False, True)
    assert {path: path.stat().st_mtime_ns for path in again.folder.rglob("*")} == files


def test_a_maker_that_is_killed_leaves_no_half_market(calendar: Calendar, calendar_cache: Path, tmp_path: Path) -> None:
    maker = start_making(calendar_cache, tmp_path, 20)
    while maker.poll() is None and not any(tmp_path.iterdir()):
        pass
    maker.kill()
    maker.communicate()
    provider = DemoProvider(tmp_path, 20, calendar)
    assert ask(provider.folder, "select count(*), count(distinct symbol) from symbols") == [(20, 20)]
    months = {path.stem for path in (provider.folder / "feed").iterdir()}
    assert len(months) == 24


def test_settings_choose_the_demo_market(settings_for: SettingsFactory) -> None:
    pipeline = Pipeline(settings_for(demo_symbols=20))
    provider = pipeline.provider()
    assert provider.name == "demo"
    assert provider.held() == (FIRST, LAST)
    [outcome] = pipeline.ingest([LAST], "test")
    assert outcome.bars >= len(FUNDS)


# As varied as a real one


def test_every_session_has_bars_and_every_fund_has_all_of_them(demo_market: Path, calendar: Calendar) -> None:
    sessions = len(calendar.between(FIRST, LAST))
    assert ask(demo_market, "select count(distinct date) from feed where date = reported_on") == [(sessions,)]
    held = ask(demo_market, "select symbol, count(distinct date) from feed where date = reported_on group by symbol")
    assert {symbol: count for symbol, count in held if symbol in FUNDS} == dict.fromkeys(FUNDS, sessions)


def test_splits_go_both_ways_and_are_known_on_time_early_and_late(demo_market: Path) -> None:
    kinds = ask(
        demo_market,
        "select bool_or(split_to > split_from), bool_or(split_to < split_from), bool_or(known_on = ex_date), "
        "bool_or(known_on < ex_date), bool_or(known_on > ex_date) from splits",
    )
    assert kinds == [(True,) * 5]


def test_prices_are_as_traded_and_jump_on_the_ex_date_by_the_ratio_of_the_split(demo_market: Path) -> None:
    jumps = ask(
        demo_market,
        """
        with closes as (
            select symbol, date, close, lag(close) over (partition by symbol order by date) as before
            from feed where date = reported_on and close > 0
        )
        select closes.close / closes.before / (split_from / split_to) from splits join closes
        on splits.symbol = closes.symbol and splits.ex_date = closes.date
        """,
    )
    assert len(jumps) >= 5
    assert all(0.7 < float(str(moved)) < 1.4 for (moved,) in jumps)


def test_there_are_listings_delistings_and_halts(demo_market: Path) -> None:
    [(listed, delisted)] = ask(
        demo_market, f"select count(*) filter (listed > date '{FIRST}'), count(delisted) from symbols"
    )
    assert listed > 10
    assert delisted > 10
    [(outside,)] = ask(
        demo_market,
        "select count(*) from feed join symbols using (symbol) where date = reported_on "
        "and (date < listed or date >= delisted)",
    )
    assert outside == 0
    [(halts,)] = ask(
        demo_market,
        """
        with bars as (
            select symbol, date, row_number() over (partition by symbol order by date) as bar, session
            from (select distinct symbol, date from feed where date = reported_on)
            join (select date, row_number() over (order by date) as session from
                (select distinct date from feed where date = reported_on)) using (date)
        )
        select count(*) from bars one join bars next on one.symbol = next.symbol and next.bar = one.bar + 1
        where next.session - one.session > 5
        """,
    )
    assert halts > 3


def test_it_is_dirty_and_some_bars_are_revised_or_lost(demo_pipeline: Pipeline) -> None:
    with demo_pipeline.store.read() as connection:
        rules = dict(connection.execute("select rule, count(*) from rejected_bars group by rule").fetchall())
        totals = connection.execute(
            "select sum(delivered), sum(bars), sum(superseded), sum(rejected), sum(lost_bars) from ingested_sessions"
        ).fetchall()
    [(delivered, bars, superseded, rejected, lost)] = totals
    assert set(rules) >= {
        "header_line", "unparsable", "not_a_session", "price_not_positive", "negative_volume", "duplicate",
    }  # fmt: skip
    assert delivered == bars + superseded + rejected
    assert rejected == sum(rules.values())
    assert 0.01 < superseded / bars < 0.02
    assert 0 < lost < rejected
