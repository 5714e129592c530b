"""The language of features: what means the same is called the same, what is wrong is said in words, and lookback, unit
and values are those of the parts."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scan_pipeline.errors import ScanPipelineError
from scan_pipeline.features import catalogue
from scan_pipeline.features.catalogue import CATALOGUE, CORE, FEATURES, feature, history_sessions
from scan_pipeline.features.expressions import ExpressionError, named, parse
from scan_pipeline.features.indicator import warm_up
from scan_pipeline_tests.features.made_up import block_of, walk

CANONICAL = {
    "ta.rsi(close, 14)": ["ta.rsi(14)", "ta.rsi()", "ta.RSI( Close,timeperiod = 14 )", "ta.rsi(timeperiod=7*2)"],
    "ta.rsi(volume, 7)": ["ta.rsi(volume, timeperiod=7)"],
    "ta.macd(close, 12, 26, 9).macd": ["ta.macd()", "ta.macd(close)", "TA.macd(12.0, 26).macd"],
    "ta.macd(close, 12, 26, 9).macdsignal": ["ta.macd(12, 26, 9).MACDSIGNAL"],
    "ta.bbands(close, 20, 2, 2, 0).upperband": ["ta.bbands(20, 2.0)", "ta.bbands().upperband"],
    "ta.bbands(close, 20, 2.5, 2, 0).lowerband": ["ta.bbands(nbdevup=2.50).lowerband"],
    "ta.atr(high, low, close, 14)": ["ta.atr()", "ta.atr(14)"],
    "ta.sma(high - low, 14)": ["ta.sma((high-low), 14)"],
    "ta.prev(close, 1)": ["ta.prev()", "ta.prev(close)", "ta.prev(n=1)"],
    "ta.ema(rsi_14, 5)": ["ta.ema(RSI_14, 5)"],
    "weekly.rsi(close, 14)": ["weekly.rsi()", "Weekly.RSI(14)"],
    "weekly.ema(weekly.rsi(close, 14), 5)": ["weekly.ema(weekly.rsi(), 5)"],
    "monthly.sma(close, 10)": ["monthly.sma(10)"],
    "weekly.close": ["WEEKLY.Close"],
    "(high - low) / close": ["( high-low )/close"],
    "high - low / close": ["high-(low/close)", "high - low / +close"],
    "high - (low - close)": ["high-(low-close)"],
    "high - low - close": ["(high-low)-close"],
    "6 * close": ["2*3*close"],
    "-(high - low) * 2": ["(-(high-low))*2"],
    "sma_20": ["SMA_20", " sma_20 "],
}  # fmt: skip


@pytest.mark.parametrize("canonical", CANONICAL)
def test_what_means_the_same_is_called_the_same(canonical: str) -> None:
    for text in [canonical, *CANONICAL[canonical]]:
        assert parse(text).name == canonical


def test_a_name_means_the_entry_of_the_catalogue() -> None:
    assert parse("rsi_14") is CATALOGUE["rsi_14"]
    assert feature("rsi_14") is CATALOGUE["rsi_14"]
    assert feature("ta.rsi(7)").name == "ta.rsi(close, 7)"


ERRORS = {
    "ta.smaa(close)": ["no ta.smaa", "near it: sma"],
    "ta.rsi(close, 1)": ["timeperiod=1 is out of TA-Lib's range", "the least is 2"],
    "ta.rsi(100001)": ["timeperiod=100001 is out of TA-Lib's range"],
    "ta.rsi(99999999999)": ["out of TA-Lib's range"],
    "ta.rsi(1e400)": ["too large"],
    "ta.rsi(close, 2.5)": ["timeperiod is a whole number, not 2.5"],
    "ta.rsi(close, high)": ["takes 1 series or none (close), not 2", "ta.rsi(close, timeperiod=14)"],
    "ta.atr(close, 14)": ["takes 3 series or none (high, low, close), not 1"],
    "ta.rsi(14, close)": ["series come before numbers"],
    "ta.rsi(14, 15)": ["takes at most 1 parameters, not 2"],
    "ta.obv(3)": ["takes no parameters"],
    "ta.rsi(period=14)": ["no parameter 'period'", "timeperiod"],
    "ta.rsi(14, timeperiod=14)": ["timeperiod is given twice"],
    "ta.rsi(timeperiod=close)": ["timeperiod is a number, not a series (close)"],
    "ta.macd().signal": ["no output 'signal'", "macd, macdsignal, macdhist"],
    "ta.mavp()": ["periods has no default"],
    "ta.rsi": ["ta.rsi is a function", "ta.rsi(close, timeperiod=14)"],
    "rsi(14)": ["no function 'rsi'", "write ta.rsi(…)"],
    "rsi_15": ["no feature 'rsi_15'", "rsi_14"],
    "close > 2": ["not of the language"],
    "close if 1 else 2": ["not of the language"],
    "'close'": ["not of the language"],
    "True": ["not of the language"],
    "ta.rsi(*close)": ["not of the language"],
    "__import__('os')": ["no function '__import__'"],
    "close.__class__": ["not of the language"],
    "5": ["a number, and the same for every bar"],
    "2 / 0 * close": ["2 / 0 has no value"],
    "close >": ["is no expression"],
    "import os": ["is no expression"],
    "": ["is no expression"],
    "a\0b": ["is no expression"],
    "weekly.sma(relative_volume, 3)": ["'relative_volume' is of days"],
    "weekly.sma(ta.rsi(), 3)": ["inside weekly.…(…), ta.…(…) has no bars", "write weekly."],
    "weekly.rsi(monthly.close)": ["inside weekly.…(…), monthly.…(…) has no bars"],
    "weekly.clos": ["no weekly.clos", "close"],
    "ta.prev(close, 0)": ["the least is 1"],
}


@pytest.mark.parametrize("text", ERRORS)
def test_what_is_wrong_is_said_in_words_with_what_there_is_instead(text: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        parse(text)
    for words in ERRORS[text]:
        assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@given(st.text(st.sampled_from("tarsi.macd(close, 14)+-*/=_9 weekly\n'\"[]{}:;@~<>!"), max_size=40))
def test_whatever_is_typed_gives_a_feature_or_an_error_for_people(text: str) -> None:
    with suppress(ScanPipelineError):
        assert parse(text).name


def test_lookbacks_are_those_of_the_parts_added_up() -> None:
    assert parse("close").lookback == 0
    assert parse("ta.sma(close, 20)").lookback == 19
    assert parse("ta.sma(ta.max(high, 10), 20)").lookback == 19 + 9
    assert parse("ta.sma(close, 20) - ta.prev(close, 40)").lookback == 40
    assert parse("ta.prev(sma_20, 5)").lookback == 19 + 5
    assert parse("ta.rsi(14)").lookback == 14 + warm_up(13 / 14)
    assert parse("ta.ema(9)").lookback >= 8 + warm_up(8 / 10)
    assert parse("weekly.sma(10)").lookback == (9 + 2) * 5
    assert parse("monthly.sma(10)").lookback == (9 + 2) * 23
    assert parse("ta.sma(weekly.close, 3)").lookback == 2 * 5 + 2


def test_a_recursion_on_a_recursion_remembers_longer_than_one_and_less_than_both_one_after_another() -> None:
    once, twice = warm_up(0.9), warm_up(0.9, 0.9)
    assert once < twice < 2 * once
    assert warm_up() == 0
    assert warm_up(0.0) == 0


UNITS = {
    "close": "dollars", "volume": "shares", "benchmark": "index",
    "ta.sma(close, 5)": "dollars", "ta.sma(volume, 5)": "shares", "ta.sma(rsi_14, 5)": "0-100",
    "ta.rsi(volume, 5)": "0-100", "ta.roc(close)": "percent", "ta.cdldoji()": "-100-100",
    "ta.macd(close)": "dollars", "ta.macd(volume)": "shares", "ta.atr()": "dollars", "ta.supertrend().trend": "flag",
    "ta.linearreg_slope(close, 5)": "dollars/bar", "ta.var(close, 5)": "dollars²",
    "close - open": "dollars", "close - 1": "number", "2 * close": "dollars", "close / 2": "dollars",
    "-close": "dollars",
    "close / open": "ratio", "close / volume": "dollars/share", "close * volume": "dollars/day",
    "ta.mult(close, volume)": "dollars/day", "ta.div(close, open)": "ratio", "rsi_14 - 50": "0-100",
    "rsi_14 - change_pct": "ratio", "close + volume": "number", "relative_volume * close": "dollars",
    "close - benchmark": "number", "1 / close": "number", "weekly.close": "dollars",
    "(close - sma_20) / atr_14": "ratio",
}  # fmt: skip


@pytest.mark.parametrize("text", UNITS)
def test_units_follow_from_the_parts(text: str) -> None:
    assert parse(text).unit == UNITS[text]


def test_sources_and_dependence_on_the_benchmark_and_on_the_beginning_are_those_of_the_parts() -> None:
    assert parse("ta.sma(ta.rsi(), 5) / ta.rsi()").source == "TA-Lib SMA, TA-Lib RSI"
    assert parse("high - low").source == "price_bars"
    assert parse("ta.beta(benchmark, close, 60) - 1").needs_benchmark
    assert not parse("ta.beta(close, open, 60)").needs_benchmark
    assert parse("ta.sma(ta.obv(), 5) / volume").is_path_dependent
    assert not parse("ta.sma(volume, 5)").is_path_dependent


def test_arithmetic_is_that_of_numbers_and_a_quotient_of_nothing_is_unknown() -> None:
    bars = walk(1, 50)
    bars["volume"][7] = 0
    block = block_of(bars)
    high, low, close = bars["high"], bars["low"], bars["close"]
    for text, expected in {
        "high - low - close": high - low - close,
        "high - (low - close)": high - (low - close),
        "-high * 2 + close / 4": -high * 2 + close / 4,
        "100 * (close / open - 1)": 100 * (close / bars["open"] - 1),
        "3 - close": 3 - close,
    }.items():
        assert np.array_equal(parse(text).compute(block), expected)
    quotient = parse("close / volume").compute(block)
    assert np.isnan(quotient[7])
    assert np.isfinite(np.delete(quotient, 7)).all()


def test_an_expression_that_says_what_an_entry_says_gives_what_the_entry_gives() -> None:
    block = block_of(walk(2, 400))
    for name, text in {
        "sma_50": "ta.sma(close, 50)",
        "ema_20": "ta.ema(20)",
        "atr_14": "ta.atr(14)",
        "rsi_14": "ta.rsi(14)",
        "high_52w": "ta.max(high, 252)",
        "change_pct": "(close / ta.prev(close) - 1) * 100",
        "ema_9_slope_5": "ta.linearreg_slope(ta.ema(9), 5)",
        "atr_14_simple": "ta.sma(ta.trange(), 14)",
    }.items():
        np.testing.assert_array_equal(parse(text).compute(block), CATALOGUE[name].compute(block), err_msg=name)


def test_a_named_entry_has_what_its_expression_says_unless_it_is_given() -> None:
    entry = named("signal", "ta.macd().macdsignal")
    assert (entry.name, entry.unit, entry.source) == ("signal", "dollars", "TA-Lib MACD")
    assert entry.formula == "ta.macd(close, 12, 26, 9).macdsignal"
    assert entry.lookback == parse("ta.macd().macdsignal").lookback
    given_ = named("spread_pct", "(high - low) / close * 100", unit="percent", formula="range", source="us", lookback=3)
    assert (given_.unit, given_.formula, given_.source, given_.lookback) == ("percent", "range", "us", 3)
    block = block_of(walk(3, 100))
    assert np.array_equal(entry.compute(block), parse("ta.macd().macdsignal").compute(block), equal_nan=True)
    with pytest.raises(ExpressionError, match=r"no ta\.nothing"):
        _ = named("wrong", "ta.nothing()").lookback


@pytest.mark.parametrize("entry", FEATURES, ids=lambda one: one.name)
def test_every_entry_of_the_catalogue_can_be_named_in_an_expression_and_says_what_it_is(
    entry: catalogue.Feature,
) -> None:
    assert parse(entry.name) is entry
    assert parse(f"ta.prev({entry.name}, 2)").lookback == entry.lookback + 2
    assert entry.formula
    assert entry.source


def test_history_is_as_long_as_the_longest_lookback_and_never_shorter_than_the_cores() -> None:
    assert history_sessions(()) == history_sessions(CORE) == catalogue.HISTORY_SESSIONS
    assert history_sessions([parse("ta.sma(5)")]) == catalogue.HISTORY_SESSIONS
    assert history_sessions([parse("ta.sma(500)")]) == 499 + catalogue.ALLOWED_GAPS
