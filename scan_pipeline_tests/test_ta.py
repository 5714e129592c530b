"""`from scan_pipeline import ta`: all that SQL calls as ta.NAME(…), on pandas: the same results, errors in words."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scan_pipeline import ta
from scan_pipeline.features.all_indicators import INDICATORS
from scan_pipeline.features.expressions import parse
from scan_pipeline.sessions import Calendar
from scan_pipeline.settings import PROJECT_DIR
from scan_pipeline_tests.features.made_up import block_of, walk


@pytest.fixture(scope="module")
def bars(calendar: Calendar) -> pd.DataFrame:
    """400 sessions of one symbol, to Thursday 28 March 2024, the last session before Easter."""
    last = calendar.index_at_or_after(pd.Timestamp("2024-03-28").date())
    index = pd.DatetimeIndex(calendar.days[last - 399 : last + 1], name="session")
    return pd.DataFrame(walk(1, 400), index=index)


@pytest.fixture(autouse=True)
def _calendar_at_hand(calendar: Calendar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ta, "_sessions", lambda: calendar.days)


@pytest.mark.parametrize("name", INDICATORS)
def test_every_function_gives_what_sql_gives(name: str, bars: pd.DataFrame) -> None:
    indicator = INDICATORS[name]
    columns = bars.assign(**{one: 0.9 * bars["close"] for one in indicator.inputs if one not in bars})
    if name == "mavp":
        columns["periods"] = 10
    block = block_of({one: columns[one].to_numpy(dtype=float) for one in columns})
    expected = indicator.compute(block, *[block[one] for one in indicator.inputs], **indicator.parameters)
    function = getattr(ta, name)
    for given in ([columns], [columns[one] for one in indicator.inputs]):
        result = function(*given)
        assert result.index is bars.index or result.index.equals(bars.index)
        if len(expected) == 1:
            assert isinstance(result, pd.Series)
            assert np.array_equal(result.to_numpy(), expected[0], equal_nan=True)
        else:
            assert list(result.columns) == list(indicator.outputs)
            for output, values in zip(indicator.outputs, expected, strict=True):
                assert np.array_equal(result[output].to_numpy(), values, equal_nan=True)


def test_parameters_go_by_position_or_name_as_in_sql(bars: pd.DataFrame) -> None:
    expected = parse("ta.macd(close, 5, 20, 4).macdhist").compute(block_of(walk(1, 400)))
    for result in (
        ta.macd(bars.close, 5, 20, 4),
        ta.macd(bars, 5, signalperiod=4, slowperiod=20),
        ta.macd(bars.close, fastperiod=5, slowperiod=np.int64(20), signalperiod=4.0),
    ):
        assert np.array_equal(result["macdhist"].to_numpy(), expected, equal_nan=True)


def test_whole_numbers_missing_values_and_no_bars_are_taken(bars: pd.DataFrame) -> None:
    volume = bars["volume"].astype("int64")
    assert ta.sma(volume, 3).iloc[-1] == pytest.approx(volume.iloc[-3:].mean())
    holes = bars["close"].astype("Float64")
    holes.iloc[10] = pd.NA
    assert ta.sma(holes, 3).isna().to_numpy().nonzero()[0].tolist() == [0, 1, 10, 11, 12]
    assert ta.sma(bars["close"].iloc[:0], 3).empty
    assert list(ta.macd(bars.iloc[:0])) == ["macd", "macdsignal", "macdhist"]


def test_what_is_given_is_left_as_it_is(bars: pd.DataFrame) -> None:
    before = bars.copy()
    for name in ("sma", "cdldoji", "vwap", "supertrend"):
        getattr(ta, name)(bars)
    pd.testing.assert_frame_equal(bars, before)


def test_mistakes_are_told_in_words(bars: pd.DataFrame) -> None:
    close, high = bars["close"], bars["high"]
    with pytest.raises(AttributeError, match=r"no ta\.rsii"):
        ta.rsii(close)  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="close, or a DataFrame of bars, first; not int"):
        ta.rsi(14)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="first; not list"):
        ta.rsi([1.0, 2.0])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not 1 Series"):
        ta.atr(close, 14)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="no column high; it has close"):
        ta.willr(bars[["close", "low"]])
    with pytest.raises(ValueError, match=r"ta\.rsi: timeperiod=1 is out of TA-Lib's range: the least is 2"):
        ta.rsi(close, 1)
    with pytest.raises(ValueError, match=r"timeperiod is a whole number, not 2\.5"):
        ta.rsi(close, 2.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="timeperiod is a number, not 'a'"):
        ta.rsi(close, "a")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"ta\.rsi\(close, /, timeperiod=14\) takes 1 parameters, not 2"):
        ta.rsi(close, 14, 15)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="has no parameter period"):
        ta.rsi(close, period=14)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="was given timeperiod twice"):
        ta.rsi(close, 14, timeperiod=14)  # type: ignore[misc]
    with pytest.raises(ValueError, match="different indexes"):
        ta.add(close, high.iloc[1:])


def test_bars_of_several_symbols_and_bars_out_of_order_are_refused_and_not_computed_on_as_one(
    bars: pd.DataFrame,
) -> None:
    long = pd.concat([bars.assign(symbol="A"), bars.assign(symbol="B")])
    with pytest.raises(ValueError, match="bars of several symbols"):
        ta.rsi(long.close, 14)
    with pytest.raises(ValueError, match="bars of several symbols"):
        ta.atr(long.reset_index(), 14)
    with pytest.raises(ValueError, match="not in order"):
        ta.rsi(bars["close"].iloc[::-1], 14)
    each = long.reset_index().groupby("symbol").close.transform(ta.rsi, 14)
    assert np.array_equal(each.iloc[400:], ta.rsi(bars.close, 14), equal_nan=True)


def test_closed_weeks_are_those_of_sql_from_the_session_on_with_which_each_closed(
    bars: pd.DataFrame, calendar: Calendar
) -> None:
    from dataclasses import replace

    last = calendar.index_at_or_after(bars.index[-1].date())
    daily = replace(
        block_of(walk(1, 400)), days=calendar.days[last - 399 : last + 1], following=calendar.days[last + 1]
    )
    for period, make in (("weekly", ta.weekly), ("monthly", ta.monthly)):
        whole = make(bars)
        assert whole.index.name == "session"
        assert whole.index[-1] == bars.index[-1]  # a Thursday, and yet the week's last session and the month's
        for text, values in {
            "high": whole.high,
            "volume": whole.volume,
            "rsi(close, 4)": ta.rsi(whole.close, 4),
        }.items():
            seen = values.reindex(bars.index, method="ffill")
            assert np.array_equal(seen, parse(f"{period}.{text}").compute(daily), equal_nan=True)
    with pytest.raises(TypeError, match="indexed by session"):
        ta.weekly(bars.reset_index())
    with pytest.raises(ValueError, match="2024-03-29 is no session"):
        ta.weekly(pd.concat([bars, bars.iloc[-1:].set_axis(pd.DatetimeIndex(["2024-03-29"]))]))
    assert ta.weekly(bars.iloc[:0]).empty


def test_an_editor_and_help_show_what_there_is(bars: pd.DataFrame) -> None:
    assert set(INDICATORS) | {"weekly", "monthly"} <= set(dir(ta))
    assert str(inspect.signature(ta.bbands)) == "(close, /, timeperiod=20, nbdevup=2.0, nbdevdn=2.0, matype=0)"
    assert "Bollinger Bands" in (ta.bbands.__doc__ or "")
    assert "upperband (input)" in (ta.bbands.__doc__ or "")


@pytest.mark.slow
def test_the_stubs_know_every_function_and_type_checkers_believe_them(tmp_path: Path) -> None:
    program = tmp_path / "mine.py"
    program.write_text(
        "import pandas as pd\nfrom scan_pipeline import ta\n"
        "def f(bars: pd.DataFrame) -> None:\n"
        "    a = ta.rsi(bars.close, 14)\n    b = ta.atr(bars, timeperiod=14)\n    c = ta.macd(bars)\n"
        "    ta.rsi(bars.close, 'a')\n    ta.rsii(bars)\n",
        encoding="utf-8",
    )
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(PROJECT_DIR / "pyproject.toml"), str(program)],
        capture_output=True, text=True, cwd=PROJECT_DIR, timeout=120,
    )  # fmt: skip
    errors = [line for line in run.stdout.splitlines() if "error:" in line]
    assert len(errors) == 2
    assert 'Argument 2 to "rsi" has incompatible type "str"' in errors[0]
    assert 'Module has no attribute "rsii"' in errors[1]
