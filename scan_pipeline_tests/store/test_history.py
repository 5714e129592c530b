"""Reading history with the benchmark beside it: its closes on the sessions of each bar, as they were known then."""

from datetime import date

import numpy as np
import pytest

from scan_pipeline.features import catalogue
from scan_pipeline.features.bars import BarBlock
from scan_pipeline.features.expressions import parse
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.sessions import Calendar
from scan_pipeline.store.history import read_block

LAST = date(2025, 12, 31)


def read(
    pipeline: Pipeline,
    symbols: list[str],
    first: date,
    last: date,
    benchmark: str | None,
    start: date = date(2025, 1, 2),
    count_from: date = date(2025, 1, 2),
) -> BarBlock:
    window = np.array(pipeline.calendar.between(start, last), dtype="datetime64[D]")
    with pipeline.store.read() as connection:
        return read_block(
            connection, symbols, window, first, ("open", "high", "low", "close", "volume"), count_from=count_from,
            following=pipeline.calendar.after(last, 1), benchmark=benchmark,
        )  # fmt: skip


def symbols_where(pipeline: Pipeline, condition: str) -> list[str]:
    with pipeline.store.read() as connection:
        rows = connection.execute(
            "select distinct symbol from splits join price_bars using (symbol) "
            f"where {condition} order by symbol limit 3"
        ).fetchall()
    return [symbol for (symbol,) in rows]


def test_a_bar_has_the_benchmarks_close_of_its_session(demo_pipeline: Pipeline) -> None:
    with demo_pipeline.store.read() as connection:
        gappy, steady = (
            connection.execute(
                "select symbol from price_bars where session >= '2025-01-02' "
                "and symbol not in (select symbol from splits) "
                f"group by symbol order by count(*) {order}, symbol limit 1"
            ).fetchall()[0][0]
            for order in ("asc", "desc")
        )
    block = read(demo_pipeline, [gappy, steady], LAST, LAST, steady)
    low, high = block.offsets[1:3]
    assert np.array_equal(block["benchmark"][low:high], block["close"][low:high])
    own = dict(zip(block.session[low:high].tolist(), block["close"][low:high].tolist(), strict=True))
    expected = [own[session] for session in block.session[: block.offsets[1]].tolist()]
    assert block["benchmark"][: block.offsets[1]].tolist() == expected
    # Where the benchmark did not trade, or is not held at all, nothing is made up.
    reverse = read(demo_pipeline, [steady], LAST, LAST, gappy)
    assert np.isnan(reverse["benchmark"]).sum() == len(reverse.session) - block.offsets[1]
    assert np.isnan(read(demo_pipeline, [steady], LAST, LAST, "NOSUCH")["benchmark"]).all()


def test_the_benchmark_is_read_only_where_it_is_asked_for(demo_pipeline: Pipeline) -> None:
    block = read(demo_pipeline, symbols_where(demo_pipeline, "true"), LAST, LAST, None)
    assert set(block.columns) == {"open", "high", "low", "close", "volume"}
    with pytest.raises(KeyError, match="benchmark"):
        catalogue.feature("benchmark").compute(block)


@pytest.mark.parametrize("known", ["known_on > ex_date", "known_on < ex_date", "known_on = ex_date"])
def test_a_range_sees_the_benchmark_as_each_of_its_nights_did(demo_pipeline: Pipeline, known: str) -> None:
    """Even a benchmark that splits within the range, and whose split is known late."""
    calendar: Calendar = demo_pipeline.calendar
    benchmark = symbols_where(demo_pipeline, f"{known} and ex_date between '2025-04-01' and '2025-12-01'")[0]
    with demo_pipeline.store.read() as connection:
        ex_date, known_on = connection.execute(
            "select ex_date, known_on from splits where symbol = ? order by ex_date limit 1", [benchmark]
        ).fetchall()[0]
    first = calendar.before(min(ex_date, known_on), 2)
    last = calendar.after(max(ex_date, known_on), 3)
    symbols = [benchmark, *symbols_where(demo_pipeline, "true")]
    correlation = parse("ta.correl(ta.rocp(close, 1), ta.rocp(benchmark, 1), 20)")
    beta, quotient, week = (
        parse(text) for text in ("ta.beta(benchmark, close, 20)", "close / benchmark", "weekly.close")
    )
    features = (*catalogue.CORE, correlation, beta, quotient, week)
    range_ = read(demo_pipeline, symbols, first, last, benchmark)
    nights = calendar.between(first, last)
    for night in nights:
        alone = read(demo_pipeline, symbols, night, night, benchmark)
        assert range_.days is not None
        position = int(np.searchsorted(range_.days, np.datetime64(night)))
        computed = []
        for block in (range_, alone):
            wanted = np.zeros((len(symbols), len(range_.days)), dtype=bool)
            wanted[:, position] = True
            bars = block.bars_as_of(wanted[:, : len(block.days if block.days is not None else ())])
            order = np.argsort(block.symbol[block.series_of_bar()[bars]])
            computed.append({name: values[order] for name, values in catalogue.compute(block, features, bars).items()})
        for name, values in computed[0].items():
            np.testing.assert_array_equal(values, computed[1][name], err_msg=f"{name} on {night}")
    assert not np.isnan(computed[0]["close / benchmark"]).all()


def test_what_else_is_computed_and_how_much_it_reads_changes_no_value(demo_pipeline: Pipeline) -> None:
    """Even of symbols with so many gaps that longer history would have more of their bars."""
    with demo_pipeline.store.read() as connection:
        symbols = [
            symbol
            for (symbol,) in connection.execute(
                "select symbol from price_bars group by symbol having max(session) > '2025-12-01' "
                "order by count(*) > 400, count(*) desc, symbol limit 60"
            ).fetchall()
        ]
        earliest = connection.execute("select min(session) from price_bars").fetchall()[0][0]
    counts = date(2025, 4, 1)
    assert earliest < counts
    long = parse("ta.sma(close, 270)")
    weekly = parse("weekly.sma(close, 3)")
    computed = []
    for start, features in ((counts, (*catalogue.CORE, weekly)), (earliest, (*catalogue.CORE, weekly, long))):
        block = read(demo_pipeline, symbols, date(2025, 6, 2), LAST, symbols[0], start, counts)
        wanted = np.zeros((len(symbols), len(block.days if block.days is not None else ())), dtype=bool)
        wanted[:, -140:] = True
        bars = block.bars_as_of(wanted)
        computed.append(catalogue.compute(block, features, bars))
    assert not np.isnan(computed[1][long.name]).all()
    for name, values in computed[0].items():
        np.testing.assert_array_equal(values, computed[1][name], err_msg=name)
    assert 0 < computed[0]["bars_held"].max() < 252
