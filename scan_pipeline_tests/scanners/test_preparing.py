"""What a scanner asks for is read from its text: features, calls of indicators, tables. Faults are told by line."""

from pathlib import Path

import pytest

from scan_pipeline.errors import ScannerError
from scan_pipeline.features import catalogue
from scan_pipeline.features.rules import PlanRules, ScoreWeights
from scan_pipeline.scanners.preparing import Prepared, demand, prepare, versions_of_code
from scan_pipeline.scanners.registry import BUILTIN_DIR, SqlScanner, read_scanner

HEAD = "select session, symbol"


@pytest.fixture
def ready(tmp_path: Path) -> "Ready":
    return Ready(tmp_path)


class Ready:
    """Scanners made ready from their text."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def scanner(self, text: str, name: str = "mine") -> SqlScanner:
        path = self._folder / f"{name}.sql"
        path.write_text(text, encoding="utf-8")
        return read_scanner(path)

    def __call__(self, text: str) -> Prepared:
        return prepare(self.scanner(text))


def test_features_that_are_named_are_asked_for(ready: Ready) -> None:
    one = ready(f"{HEAD}, adx_14 from features where close > sma_150 and rs_rating > 80")
    assert [feature.name for feature in one.features] == ["adx_14", "sma_150"]  # close is always there
    assert one.cross_sectional == ("rs_rating",)
    assert one.tables == {"features"}


def test_a_name_that_the_select_gives_itself_is_no_feature(ready: Ready) -> None:
    one = ready(f"{HEAD}, close / 2 as score, 1 as adx_14 from features where score > 2 and adx_14 = 1")
    assert one.features == ()
    assert one.cross_sectional == ()


def test_a_feature_that_is_worked_on_may_keep_its_name(ready: Ready) -> None:
    one = ready(f"{HEAD}, round(macd, 2) as macd, 100 - rs_rating as rs_rating from features where macd > 0")
    assert [feature.name for feature in one.features] == ["macd"]
    assert one.cross_sectional == ("rs_rating",)


def test_a_part_of_a_table_may_have_the_name_of_the_table(ready: Ready) -> None:
    one = ready(
        f"with universe as (select * from universe where type = 'CS') {HEAD} from features join universe "
        "using (session, symbol)"
    )
    assert one.tables == {"features", "universe"}


def test_a_name_is_not_taken_for_a_clock(ready: Ready) -> None:
    assert ready("select today.session, today.symbol, 1 as now from features today where now = 1").statement
    for clock in ("today()", "current_date", "now()"):
        with pytest.raises(ScannerError, match="comes out differently every time"):
            ready(f"{HEAD} from features where session < {clock}")


def test_a_rank_looks_at_the_hits_alone(ready: Ready) -> None:
    for rank, words in [("(select max(close) from features) - close", "the table features"), ("random()", "random")]:
        with pytest.raises(ScannerError, match=words):
            ready(f"-- rank: {rank}\n{HEAD}, close from features")
    assert ready(f"-- rank: abs(close - 3) desc nulls last, symbol\n{HEAD}, close from features").rank


def test_a_call_of_an_indicator_becomes_a_column_on_the_same_line(ready: Ready) -> None:
    one = ready(f"{HEAD}, 'é' as e,\n  ta.rsi(close,\n    timeperiod := 7) as r\nfrom features where TA.RSI(7) < 30")
    (feature,) = one.features
    assert feature.name == catalogue.feature("ta.rsi(close, 7)").name
    assert one.statement.count(f'"{feature.name}"') == 2
    assert one.statement.splitlines()[-1].startswith("from features")
    assert len(one.statement.splitlines()) == 4


def test_an_output_a_week_and_a_nested_call(ready: Ready) -> None:
    one = ready(
        f"{HEAD} from features where ta.macd(12, 26, 9).macdsignal > 0 and weekly.sma(close, 10) < close "
        "and ta.prev(ta.max(high, 20), 1) < high -- ta.nothing()"
    )
    assert {feature.name for feature in one.features} == {
        catalogue.feature(text).name
        for text in ("ta.macd(12, 26, 9).macdsignal", "weekly.sma(close, 10)", "ta.prev(ta.max(high, 20), 1)")
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{HEAD}\nfrom features\nwhere ta.rsii(14) < 30", ["line 3", "rsii", "rsi"]),
        (f"{HEAD}\nfrom features where ta.macd(12, 26, 9).nothing > 0", ["line 2", "nothing", "macdsignal"]),
        (f"{HEAD}\nfrom features where ta.sma(close, 0) > 0", ["line 2", "timeperiod"]),
        (f"{HEAD}\nfrom features where ta.sma(nonsense, 3) > 0", ["line 2", "nonsense"]),
        (f"{HEAD}\nfrom features where gap_pct > $min_gap", ["line 2", "$min_gap", "-- param: min_gap"]),
        (f"{HEAD}\nfrom prices", ["line 2", "prices", "market_context"]),
    ],
)
def test_what_is_wrong_is_told_with_file_line_and_remedy(ready: Ready, text: str, words: list[str]) -> None:
    with pytest.raises(ScannerError) as caught:
        ready(text)
    for word in ("mine.sql", *words):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("where", "is_certain"),
    [
        ("gap_pct >= 4 and ta.rsi(7) < 30", True),
        ("(close > open or abs(gap_pct) between 1 and 2) and not volume is null", True),
        ("round(close) in (1, 2) and case when close > 1 then true else false end", True),
        ("close > (select avg(close) from features)", False),  # other symbols
        ("row_number() over (order by close) < 3", False),
        ("rs_rating > 80", False),  # a place among the others
        ("unheard_of(close) > 1", False),  # it could be anything
        ("gap > 4", False),  # the select's own name
    ],
)
def test_it_is_known_which_scanners_decide_on_each_symbol_by_itself(ready: Ready, where: str, is_certain: bool) -> None:
    one = ready(f"{HEAD}, gap_pct as gap from features where {where}")
    assert (one.condition is not None) == is_certain


def test_joins_and_limits_are_no_decision_on_each_symbol(ready: Ready) -> None:
    assert ready(f"{HEAD} from features").condition == "true"
    assert ready(f"{HEAD} from features limit 3").condition is None
    assert ready("select f.session, f.symbol from features f join universe u using (symbol)").condition is None


@pytest.mark.parametrize(
    ("tables", "is_certain"),
    [
        ("features where rs_rating > 80", True),
        ("features join universe using (session, symbol) where market_cap > 1e9", True),
        ("Features left join Universe using (Symbol, Session) join market_context using (session)", True),
        ("features left join (market_context join universe using (session)) using (session, symbol)", False),
        ("features join universe using (symbol)", False),  # also of other sessions
        ("features right join universe using (session, symbol)", False),  # rows that no symbol of `features` has
        ("features natural join universe", False),
        ("features semi join universe using (session, symbol)", False),
        ("features, market_context", False),
        ("features join bars using (session, symbol)", False),
        ("universe join features using (session, symbol)", False),
        ("universe", False),
        ("bars", False),
        ("features join universe using (session, symbol) limit 3", False),
        ("features join universe using (session, symbol) where close > (select avg(close) from features)", False),
        ("features where 3 > count(*) over ()", False),
    ],
)
def test_it_is_known_which_scanners_give_a_range_what_they_give_its_nights(
    ready: Ready, tables: str, is_certain: bool
) -> None:
    assert ready(f"{HEAD} from {tables}").is_row_by_row == is_certain


def test_together_they_ask_for_all_that_each_does_and_a_faulty_one_for_nothing(ready: Ready) -> None:
    scanners = [
        ready.scanner(f"{HEAD} from features where adx_14 > 20", "one"),
        ready.scanner(f"{HEAD} from features, bars where rs_rating > 1", "two"),
        ready.scanner("drop table features", "three"),
    ]
    asked = demand(scanners, ["natr_14"])
    assert [feature.name for feature in asked.features[: len(catalogue.CORE)]] == [one.name for one in catalogue.CORE]
    assert {"adx_14", "natr_14", "weighted_return_250"} <= asked.names
    assert asked.cross_sectional == ("rs_rating",)
    assert asked.tables == {"features", "bars"}
    assert asked.history_sessions > demand(scanners[:1]).history_sessions - 1


def test_what_needs_more_history_is_given_more(ready: Ready) -> None:
    short = demand([ready.scanner(f"{HEAD} from features")]).history_sessions
    assert demand([ready.scanner(f"{HEAD} from features where ta.sma(close, 600) > 1")]).history_sessions >= 600 > short


def test_weights_are_part_of_the_version_of_scanners_that_read_the_score(ready: Ready) -> None:
    scanners = [
        ready.scanner(f"{HEAD} from features", "without"),
        ready.scanner(f"{HEAD} from features where score > 80", "with_score"),
    ]
    usual = versions_of_code(scanners, ScoreWeights(), PlanRules(), "SPY")
    other = versions_of_code(scanners, ScoreWeights(trend=50), PlanRules(), "SPY")
    assert usual["without"] == other["without"] == scanners[0].code_version
    assert usual["with_score"] != other["with_score"]


def test_the_benchmark_is_part_of_the_version_of_scanners_that_hold_symbols_against_it(ready: Ready) -> None:
    scanners = [
        ready.scanner(f"{HEAD} from features where adx_14 > 20", "without"),
        ready.scanner(f"{HEAD} from features where beta_60 > 1", "with_benchmark"),
    ]
    usual = versions_of_code(scanners, ScoreWeights(), PlanRules(), "SPY")
    other = versions_of_code(scanners, ScoreWeights(), PlanRules(), "QQQ")
    assert usual["without"] == other["without"]
    assert usual["with_benchmark"] != other["with_benchmark"]


def test_all_built_in_scanners_can_be_made_ready_and_say_where_they_come_from() -> None:
    scanners = [read_scanner(path) for path in sorted(BUILTIN_DIR.glob("*.sql"))]
    assert len(scanners) >= 26
    for one in scanners:
        assert prepare(one).statement
        assert one.title
        assert one.description
