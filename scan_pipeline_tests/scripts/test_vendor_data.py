"""Minutes and ticker details: scripts find with them what they must, from the store or from the vendor, asked once."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scan_pipeline.gateway.server import Gateway
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.script_pipeline import RunOptions, ScriptPipeline, ScriptRun
from scan_pipeline.settings import PROJECT_DIR
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.providers.vendor import KEY, Vendor
from scan_pipeline_tests.scripts.catalogue import EXAMPLES
from scan_pipeline_tests.scripts.conftest import ScriptDesk
from scan_pipeline_tests.scripts.expected import Market, expected_hits

pytestmark = pytest.mark.slow

#: Before the last session that is held, so that there are days to hide.
SESSION = date(2025, 12, 18)
SIDECAR = '[parameters]\nSTART_DATE = "{session-10}"\nEND_DATE = "{session}"\n'
START = "2025-12-08"


def run(desk: ScriptPipeline, name: str, shards: int = 2) -> ScriptRun:
    return desk.run_here(name, [SESSION], os.urandom(16).hex(), RunOptions(shards, False))


def found(run: ScriptRun) -> set[tuple[str, str]]:
    return {(hit.symbol, str(hit.session)) for hit in run.hits}


def gappers(market: Market, first: str, times: float) -> pd.DataFrame:
    """Symbol, day and close of each bar that opened so many times above the last close, on all days, later ones too."""
    bars = market.bars[market.bars["session"] >= first].sort_values(["symbol", "session"])
    before = bars.groupby("symbol")["close"].shift(1)
    found = bars[bars["open"] / before >= times]
    return pd.DataFrame({"symbol": found["symbol"], "day": found["session"].astype(str), "close": found["close"]})


def made_minutes(market: Market) -> pd.DataFrame:
    """Four minutes a gapper: before the open and after the first half hour far above the close; within, on either side.

    Of some gappers there is none.
    """
    rows = []
    for place, one in enumerate(gappers(market, START, 1.02).itertuples()):
        share = (0.98, 1.02, 0.99)[place % 3]
        clock = {"09:00": 2.0, "09:30": 0.9, "09:59": share, "10:00": 2.0} if place % 5 else {}
        for at, times in clock.items():
            starts_at = pd.Timestamp(f"{one.day} {at}", tz="America/New_York").tz_convert("UTC").tz_localize(None)
            rows.append((one.symbol, one.day, starts_at, one.close * times))
    return pd.DataFrame(rows, columns=["symbol", "day", "starts_at", "high"])


def store_minutes(pipeline: Pipeline, minutes: pd.DataFrame, asked: pd.DataFrame) -> None:
    """As if they had been fetched for the symbols and days that are asked for."""
    with pipeline.store.write() as connection:
        columns = {
            "symbol": minutes["symbol"].to_numpy(dtype=object),
            "day": minutes["day"].to_numpy(dtype="datetime64[us]"),
            "starts_at": minutes["starts_at"].to_numpy(dtype="datetime64[us]"),
            "price": minutes["high"].to_numpy(dtype=np.float64),
        }
        connection.register("minutes", columns)
        connection.execute(
            "insert into intraday_bars select day::DATE, symbol, starts_at, price, price, price, price, 100, null, "
            "null from minutes"
        )
        connection.unregister("minutes")
        connection.executemany(
            "insert into intraday_sessions values (?, ?, 4, now()::TIMESTAMP)",
            [[one.day, one.symbol] for one in asked.itertuples()],
        )


def test_half_hours_are_made_of_the_minutes_that_are_held(script_desk: ScriptDesk, plain_market: Market) -> None:
    minutes = made_minutes(plain_market)
    desk = script_desk(EXAMPLES["opening_range_30m"].path, sidecar=SIDECAR)
    store_minutes(desk.pipeline, minutes, gappers(plain_market, START, 1.02))
    one = run(desk, "opening_range_30m")
    expected = expected_hits(
        "opening_range_30m", replace(plain_market, minutes=minutes), SESSION, one.plan.read_symbols(), load_from=START
    )
    assert expected
    assert found(one) == set(expected)
    assert one.outcome.vendor_calls == 0
    for hit in one.hits:
        assert hit.details["or_high"] == pytest.approx(expected[hit.symbol, str(hit.session)])


def test_a_market_cap_that_is_known_leaves_out_what_is_too_large(script_desk: ScriptDesk, plain_market: Market) -> None:
    candidates = [one for one in gappers(plain_market, START, 1.05).itertuples() if one.symbol < "N"]
    caps = {(one.symbol, one.day): 5e9 if one.symbol < "G" else 1e9 for one in candidates}
    desk = script_desk(EXAMPLES["grouped_then_details"].path, sidecar=SIDECAR)
    with desk.pipeline.store.write() as connection:
        connection.executemany(
            "insert into ticker_details values (?, ?, ?, now()::TIMESTAMP)",
            [[*key, json.dumps({"ticker": key[0], "market_cap": cap})] for key, cap in caps.items()],
        )
    one = run(desk, "grouped_then_details")
    symbols = one.plan.read_symbols()
    expected = expected_hits(
        "grouped_then_details", replace(plain_market, market_caps=caps), SESSION, symbols, load_from=START
    )
    assert expected
    assert set(expected) < set(expected_hits("grouped_then_details", plain_market, SESSION, symbols, load_from=START))
    assert found(one) == set(expected)
    shown = {(hit.symbol, str(hit.session)): hit.details["market_cap"] for hit in one.hits}
    assert {key: cap for key, cap in shown.items() if cap} == {key: caps[key] for key in expected if key in caps}


def test_what_is_lacking_is_asked_of_the_vendor_once_and_the_key_is_nowhere(
    script_desk: ScriptDesk,
    plain_market: Market,
    settings_at: SettingsFactory,
    tmp_path: Path,
    scripts_store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    minutes, asked = made_minutes(plain_market), gappers(plain_market, START, 1.02)
    theirs = Pipeline(settings_at(tmp_path / "vendor"))
    shutil.copyfile(scripts_store, theirs.settings.database_path)
    store_minutes(theirs, minutes, asked)
    monkeypatch.setenv("MASSIVE_API_KEY", KEY)
    with Vendor(Gateway(theirs.store, theirs.calendar).make_app) as vendor:
        desk = script_desk(
            EXAMPLES["opening_range_30m"].path,
            sidecar=SIDECAR,
            script_read_through=True,
            massive_url=vendor.url,
            massive_plan="1000/1",
        )
        first = run(desk, "opening_range_30m")
        calls = len(vendor.asked)
        again = run(desk, "opening_range_30m")
        assert len(vendor.asked) == calls
    expected = expected_hits(
        "opening_range_30m", replace(plain_market, minutes=minutes), SESSION, first.plan.read_symbols(), load_from=START
    )
    assert first.fault == ""
    assert found(first) == found(again) == set(expected) != set()
    assert first.outcome.vendor_calls == calls > 0
    assert again.outcome.vendor_calls == 0
    assert {one.authorization for one in vendor.asked} == {f"Bearer {KEY}"}
    assert holding(tmp_path / "data", KEY) == []


def holding(folder: Path, text: str) -> Sequence[Path]:
    """The files in which the text is, whatever they are; environments are not looked into."""
    files = [path for path in folder.rglob("*") if path.is_file() and "environments" not in path.parts]
    assert files
    return [path for path in files if text.encode() in path.read_bytes()]


def test_the_example_that_comes_with_the_project_finds_something(script_desk: ScriptDesk) -> None:
    example = PROJECT_DIR / "data" / "scripts" / "example_gap_scan.py"
    desk = script_desk(example, sidecar=example.with_suffix(".toml").read_text(encoding="utf-8"))
    one = run(desk, "example_gap_scan")
    assert one.fault == ""
    assert one.remarks == []
    assert one.hits
    assert max(hit.session for hit in one.hits) <= SESSION
    assert "gap_pct" in one.hits[0].details
