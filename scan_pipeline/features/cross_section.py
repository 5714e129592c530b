"""Columns of `features` that no symbol has by itself: ranks among the session's symbols, and the trade plan.

What belongs here: those columns, what each is computed from, and computing them for the rows of any sessions. What
does not: features of one symbol's bars (`catalogue.py`), and the weights and rules that a person sets (`rules.py`).

A *percentile* is a place among the symbols that passed the screen on the session and have a value, from 0 (below all
others) to 100 (above all others): 100 × (others below + half of the others that are equal) / others. Equal values have
equal percentiles, a symbol without a value has none and takes no place, and one that is alone has none: among nobody
there is no place.

A session depends on its own rows only, whatever their order: a range gives to the last bit what its nights give. They
are computed by numpy: DuckDB's windows take eight times as long, since each sorts all columns of the table.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
from msgspec.structs import asdict

from scan_pipeline.features import trade_plan
from scan_pipeline.features.bars import Floats, Ints
from scan_pipeline.features.rules import PlanRules, ScoreWeights
from scan_pipeline.quoting import identifier


@dataclass(frozen=True)
class CrossSectional:
    """One column. `reads` names features of the catalogue, and other columns of this kind."""

    name: str
    formula: str
    source: str
    unit: str
    reads: tuple[str, ...]


@dataclass(frozen=True)
class Measure:
    """What symbols are ranked by: a feature, or one over another. With `low_is_good` the lowest is at 100."""

    feature: str
    over: str | None = None
    low_is_good: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """The features."""
        return (self.feature, self.over) if self.over else (self.feature,)

    @property
    def formula(self) -> str:
        """For people."""
        return " / ".join(self.reads) + (" (low is good)" if self.low_is_good else "")

    def of(self, features: Mapping[str, Floats]) -> Floats:
        """Its values, the higher the better."""
        values = features[self.feature]
        if self.over:
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                values = np.where(features[self.over] == 0, np.nan, values / features[self.over])
        return -values if self.low_is_good else values


#: What relative strength is measured by; `rs_rating` and `score_relative_strength` tell its percentile.
STRENGTH = Measure("weighted_return_250")
#: The components of `score`: each is the mean of the percentiles of its measures.
COMPONENTS: Mapping[str, tuple[Measure, ...]] = {
    # How far above its averages, and whether these are in order.
    "trend": (Measure("distance_sma_50_pct"), Measure("distance_sma_200_pct"), Measure("ma_stacked")),
    "momentum": (Measure("roc_20"), Measure("roc_60"), Measure("rsi_14")),
    # More than usual, and more of it when the price rises.
    "volume": (Measure("relative_volume"), Measure("up_down_volume_50")),
    # Contraction: quieter of late than over its own last 100 bars, by closes and by ranges.
    "volatility": (
        Measure("historical_volatility_20", over="historical_volatility_100", low_is_good=True),
        Measure("natr_14", over="historical_volatility_100", low_is_good=True),
    ),
    # Near the top of its year.
    "breakout": (Measure("distance_high_52w_pct"), Measure("position_52w")),
    "relative_strength": (STRENGTH,),
}


def _component(name: str, measures: tuple[Measure, ...]) -> CrossSectional:
    what = [measure.formula for measure in measures]
    formula = f"percentile of {what[0]}" if len(what) == 1 else f"mean of the percentiles of {'; '.join(what)}"
    reads = dict.fromkeys(feature for measure in measures for feature in measure.reads)
    return CrossSectional(f"score_{name}", formula, "numpy", "0-100", tuple(reads))


def _plan_columns() -> Iterable[CrossSectional]:
    stop = "stop_atr × atr_14, at least min_stop_pct and at most max_stop_pct percent of close"
    shares = (
        "largest whole number of shares that loses no more than risk_pct percent of account at the stop, and costs no "
        "more than account and max_volume_share_pct percent of dollar_volume_20"
    )
    for prefix, side in trade_plan.PREFIXES.items():
        below, above = ("−", "+") if side == "long" else ("+", "−")
        formulas = {
            "entry": "close, where atr_14 is known",
            "stop": f"close {below} the stop's distance: {stop}",
            "target": f"close {above} reward_risk × the stop's distance" + "; null if not above 0" * (side == "short"),
            "shares": shares,
        }
        for name, formula in formulas.items():
            reads = trade_plan.READS if name == "shares" else trade_plan.READS[:2]
            unit = "shares" if name == "shares" else "dollars"
            yield CrossSectional(f"{prefix}{name}", f"{formula} (SCAN_PLAN__…, {side})", "numpy", unit, reads)


_COLUMNS = (
    CrossSectional(
        "rs_rating",
        "percentile of weighted_return_250, as a whole number from 1 to 99: 1 + 0.98 × percentile, rounded",
        "after the RS rating of Investor's Business Daily, whose own formula is not published; numpy",
        "1-99",
        STRENGTH.reads,
    ),
    CrossSectional(
        "score",
        "mean of the components below, weighted by SCAN_SCORE__…; null where one whose weight is not 0 is null",
        "numpy",
        "0-100",
        tuple(f"score_{name}" for name in COMPONENTS),
    ),
    *(_component(name, measures) for name, measures in COMPONENTS.items()),
    *_plan_columns(),
)
#: Every column, by name.
CROSS_SECTIONAL: Mapping[str, CrossSectional] = {column.name: column for column in _COLUMNS}


def reads(wanted: Iterable[str]) -> set[str]:
    """The features of the catalogue that these columns are computed from."""
    found: set[str] = set()
    for name in wanted:
        for read in CROSS_SECTIONAL[name].reads:
            found |= reads([read]) if read in CROSS_SECTIONAL else {read}
    return found


def compute(
    session: npt.NDArray[Any],
    features: Mapping[str, Floats],
    wanted: Collection[str],
    weights: ScoreWeights,
    rules: PlanRules,
) -> dict[str, Floats]:
    """The wanted columns of these rows, of any sessions and in any order; NaN where unknown.

    `session` is each row's, as a number or a day; `features` holds all that `reads` asks for.
    """
    percentiles = _Percentiles(session)
    found: dict[str, Floats] = {}
    counted = {name: weight for name, weight in asdict(weights).items() if weight}
    for name, measures in COMPONENTS.items():
        if f"score_{name}" in wanted or ("score" in wanted and name in counted):
            found[f"score_{name}"] = _mean([percentiles.of(one, features) for one in measures], [1.0] * len(measures))
    if "score" in wanted:
        parts = [found[f"score_{name}"] for name in COMPONENTS if name in counted]
        found["score"] = _mean(parts, [counted[name] for name in COMPONENTS if name in counted])
    if "rs_rating" in wanted:
        found["rs_rating"] = 1 + np.floor(0.98 * percentiles.of(STRENGTH, features) + 0.5)
    if any(name.startswith(tuple(trade_plan.PREFIXES)) for name in wanted):
        # What is not asked for may not have been read: it is not given either.
        unknown = {name: np.full(len(session), np.nan) for name in trade_plan.READS}
        found |= trade_plan.columns(unknown | dict(features), rules)
    return {name: found[name] for name in wanted}


def compute_for(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    wanted: Collection[str],
    weights: ScoreWeights,
    rules: PlanRules,
) -> dict[str, Floats]:
    """The wanted columns for a table's rows, in its order: it has `session` and, as doubles, what `reads` asks for."""
    names = sorted(reads(wanted))
    rows = connection.execute(f"select session, {', '.join(map(identifier, names))} from {table}").fetchnumpy()
    features = {name: np.ma.filled(rows[name].astype(float), np.nan) for name in names}
    return compute(np.asarray(rows["session"]), features, wanted, weights, rules)


def add_columns(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    wanted: Collection[str],
    weights: ScoreWeights,
    rules: PlanRules,
) -> None:
    """Add the wanted columns to such a table, null where unknown; its rows keep their order."""
    if wanted:
        connection.register("crossed", compute_for(connection, table, wanted, weights, rules))
        connection.execute(f"create or replace table {table} as select * from {table} positional join crossed")
        connection.unregister("crossed")


class _Percentiles:
    """Percentiles within sessions; each measure's are computed once."""

    def __init__(self, session: npt.NDArray[Any]) -> None:
        self._order: Ints = np.argsort(session, kind="stable")
        arranged = session[self._order]
        changes = np.flatnonzero(arranged[1:] != arranged[:-1]) + 1
        self._bounds: list[int] = [0, *changes.tolist(), len(arranged)]
        self._found: dict[Measure, Floats] = {}

    def of(self, measure: Measure, features: Mapping[str, Floats]) -> Floats:
        """The measure's percentile in every row."""
        if measure not in self._found:
            arranged = measure.of(features)[self._order]
            values = np.full(len(arranged), np.nan)
            for low, high in pairwise(self._bounds):
                values[low:high] = _percentiles(arranged[low:high])
            self._found[measure] = np.empty(len(arranged))
            self._found[measure][self._order] = values
        return self._found[measure]


def _percentiles(values: Floats) -> Floats:
    """The percentile of each value among the others; NaN for NaN, and for one that is alone."""
    percentile = np.full(len(values), np.nan)
    order = np.argsort(values)  # NaN comes last
    others = len(values) - int(np.count_nonzero(np.isnan(values))) - 1
    if others < 1:
        return percentile
    known = values[order[: others + 1]]
    below = np.flatnonzero(np.concatenate(([True], known[1:] != known[:-1])))
    equal = np.diff(below, append=others + 1)
    percentile[order[: others + 1]] = np.repeat(100 * (below + (equal - 1) / 2) / others, equal)
    return percentile


def _mean(parts: list[Floats], weights: list[float]) -> Floats:
    """The weighted mean of percentiles, added in their order; NaN where one is."""
    total = parts[0] * weights[0]
    for part, weight in zip(parts[1:], weights[1:], strict=True):
        total = total + part * weight
    mean: Floats = np.clip(total / sum(weights), 0, 100)  # rounding may take it beyond
    return mean
