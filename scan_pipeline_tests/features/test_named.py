"""Every named feature beyond the core, held against pandas and loops at every bar; TA-Lib is not its own yardstick."""

import numpy as np
import pandas as pd
import pytest

from scan_pipeline.features import catalogue
from scan_pipeline.features.bars import lay_out
from scan_pipeline.features.named import NAMED
from scan_pipeline_tests.features.named_yardsticks import differences
from scan_pipeline_tests.features.test_formulas import SESSIONS, market
from scan_pipeline_tests.features.test_invariants import beside_benchmark

#: A Tuesday: the first week and the first month are cut by the beginning.
DAYS = pd.bdate_range("2018-03-06", periods=SESSIONS)
KINDS = [
    "every day", "price stands still", "no bars", "coarse ticks, days without volume", "three bars", "dear and short",
    "halts, missed sessions", "one bar",
]  # fmt: skip


@pytest.fixture(scope="module")
def benchmark() -> pd.Series:
    closes = 400 * np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.01, SESSIONS)))
    closes[50] = np.nan  # not held
    return pd.Series(closes, index=DAYS)


@pytest.fixture(scope="module")
def computed(benchmark: pd.Series) -> list[pd.DataFrame]:
    """Of each symbol, all of them in one block."""
    symbols = market()
    cell = np.concatenate([number * SESSIONS + sessions for number, (sessions, _) in enumerate(symbols)])
    columns = {name: np.concatenate([bars[name] for _, bars in symbols]) for name in symbols[0][1]}
    block = lay_out(len(symbols), np.arange(SESSIONS), cell.astype(np.int32), columns)
    block = beside_benchmark(block, DAYS.to_numpy().astype("datetime64[D]"), benchmark.to_numpy())
    values = pd.DataFrame(catalogue.compute(block, NAMED, np.arange(len(cell))))
    edges = zip(block.offsets[:-1], block.offsets[1:], strict=True)
    return [values[begin:end].set_axis(DAYS[block.session[begin:end]]) for begin, end in edges]


@pytest.mark.parametrize("number", range(len(KINDS)), ids=KINDS)
def test_named_features_equal_their_formulas(computed: list[pd.DataFrame], benchmark: pd.Series, number: int) -> None:
    sessions, columns = market()[number]
    bars = pd.DataFrame(columns, index=DAYS[sessions])
    if bars.empty:
        assert computed[number].empty
        return
    values = {name: values.to_numpy() for name, values in computed[number].items()}
    assert differences(values, bars, DAYS, benchmark) == []
