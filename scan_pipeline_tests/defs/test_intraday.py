"""The open session in Dagster and on the command line: a job, a schedule that says why it skips, and marks."""

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from scan_pipeline.cli import main as cli
from scan_pipeline.definitions import build_definitions
from scan_pipeline.defs.jobs import build_intraday_schedule
from scan_pipeline.defs.resources import Pipelines
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.sessions import NEW_YORK
from scan_pipeline.settings import Settings
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.defs.test_runs import failure_text, latest
from scan_pipeline_tests.providers.snapshot_vendor import OpenMarket, open_market, vendor_of
from scan_pipeline_tests.providers.vendor import KEY, Vendor
from scan_pipeline_tests.scans import change

pytestmark = pytest.mark.usefixtures("few_built_in_jobs")

TODAY = date(2025, 9, 25)
ASSETS = ("price_bars", "universe", "prefiltered_symbols", "incremental_deltas", "scan_results")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MASSIVE_API_KEY", KEY)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def market(demo_pipeline: Pipeline) -> OpenMarket:
    return open_market(demo_pipeline, TODAY)


@pytest.fixture
def vendor(demo_pipeline: Pipeline, market: OpenMarket) -> Iterator[Vendor]:
    with vendor_of(demo_pipeline, market) as vendor:
        yield vendor


@pytest.fixture
def settings(demo_pipeline: Pipeline, settings_for: SettingsFactory, vendor: Vendor) -> Settings:
    """A store on the morning of TODAY, and a vendor with a paid plan."""
    settings = settings_for(provider="massive", massive_url=vendor.url, massive_plan="paid")
    shutil.copy(demo_pipeline.settings.database_path, settings.database_path)
    for table in ("price_bars", "ingested_sessions", "rejected_bars"):
        change(Pipeline(settings), f"delete from {table} where session >= ?", TODAY)
    return settings


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    home = settings.data_dir / "dagster_home"
    home.mkdir(parents=True)
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        yield instance


def run(
    settings: Settings, instance: dg.DagsterInstance, job: str, clock: Callable[[], datetime]
) -> dg.ExecuteInProcessResult:
    """A run of a job as it is configured: the Launchpad shows the same."""
    chosen = build_definitions(settings, clock=clock).resolve_job_def(job)
    return chosen.execute_in_process(instance=instance, partition_key=str(TODAY), raise_on_error=False)


def test_the_open_session_is_one_run_from_one_call_and_every_asset_says_that_it_is_provisional(
    settings: Settings, instance: dg.DagsterInstance, market: OpenMarket, vendor: Vendor
) -> None:
    done = run(settings, instance, "intraday_scan", lambda: market.now)
    assert done.success, failure_text(done)
    assert len(vendor.asked) == 1
    for asset in ASSETS:
        values = latest(instance, asset, TODAY)
        assert values["provisional"] is True, asset
        assert values["as_of"] == "provisional, as of 10:30 New York, before the close"
    assert latest(instance, "price_bars", TODAY)["calls"] == 1
    assert latest(instance, "scan_results", TODAY)["hits"] > 0
    assert not latest(instance, "splits", TODAY)

    market.moment = 1
    assert run(settings, instance, "intraday_scan", lambda: market.now).success
    assert 0 < latest(instance, "incremental_deltas", TODAY)["rescan"] < len(market.final)
    assert "11:30" in str(latest(instance, "scan_results", TODAY)["as_of"])

    night = run(settings, instance, "nightly_scan", lambda: datetime(2025, 9, 25, 18, tzinfo=NEW_YORK))
    assert night.success, failure_text(night)
    assert all("provisional" not in latest(instance, asset, TODAY) for asset in ASSETS)


def test_the_nightly_job_still_refuses_a_session_that_is_open(
    settings: Settings, instance: dg.DagsterInstance, market: OpenMarket
) -> None:
    assert run(settings, instance, "intraday_scan", lambda: market.now).success
    early = run(settings, instance, "nightly_scan", lambda: market.now)
    assert not early.success
    assert f"Session {TODAY} has not closed" in failure_text(early)


def test_scripts_wait_for_the_night(
    settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, market: OpenMarket
) -> None:
    settings.scripts_dir.mkdir(parents=True)
    (settings.scripts_dir / "mine.py").write_text("import requests\nprint('AAA')\n")
    evening = datetime(2025, 9, 25, 18, 30, tzinfo=NEW_YORK)
    definitions = build_definitions(settings, clock=lambda: market.now)
    script = dg.AssetKey(["script_results", "mine"])

    def asked(cursor: Any = None) -> tuple[int, Any]:
        done = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor, evaluation_time=evening)
        return done.get_num_requested(script), done.cursor

    count, cursor = asked()
    assert run(settings, instance, "intraday_scan", lambda: market.now).success
    count, cursor = asked(cursor)
    assert count == 0, "the screen is one of provisional bars"
    assert run(settings, instance, "nightly_scan", lambda: evening).success
    count, cursor = asked(cursor)
    assert count == 1


@pytest.mark.parametrize(
    ("at", "changes", "said"),
    [
        ("2025-09-27 11:00", {}, "2025-09-27 (Saturday) is no session"),
        ("2025-12-25 11:00", {}, "2025-12-25 (Thursday) is no session"),
        ("2025-09-25 09:15", {}, "has not begun: it opens at 2025-09-25 09:30 New York time"),
        ("2025-09-25 16:00", {}, "closed at 16:00 New York time"),
        ("2025-11-28 13:15", {}, "closed at 13:00 New York time"),
        ("2025-09-25 11:00", {"provider": "demo"}, "The provider 'demo' cannot tell bars before the close"),
        ("2025-09-25 11:00", {"massive_plan": "basic"}, "SCAN_MASSIVE_PLAN is basic, which has no snapshots"),
        ("2025-09-25 09:30", {}, None),
        ("2025-09-25 15:45", {}, None),
        ("2025-11-28 12:45", {}, None),
    ],
)
def test_the_schedule_scans_while_the_exchange_is_open_and_says_why_it_skips(
    settings: Settings, at: str, changes: dict[str, Any], said: str | None
) -> None:
    settings = replace(settings, **changes)
    when = datetime.fromisoformat(at).replace(tzinfo=NEW_YORK)
    with dg.DagsterInstance.ephemeral() as instance:
        repository = build_definitions(settings).get_repository_def()
        context = dg.build_schedule_context(instance, when, repository_def=repository)
        data = build_intraday_schedule(Pipelines(settings)).evaluate_tick(context)
    if said:
        assert not data.run_requests
        assert said in data.skip_message
    else:
        [request] = data.run_requests
        assert request.partition_key == str(when.date())
        assert request.run_key == when.isoformat()


def test_the_schedule_is_off_at_first_and_its_minutes_are_a_setting(settings: Settings) -> None:
    schedule = build_intraday_schedule(Pipelines(settings))
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert schedule.cron_schedule == "*/15 9-16 * * 1-5"
    assert schedule.execution_timezone == "America/New_York"
    often = build_intraday_schedule(Pipelines(replace(settings, intraday_minutes=5)))
    assert often.cron_schedule == "*/5 9-16 * * 1-5"


def test_the_command_line_scans_the_open_session_and_says_that_it_is_provisional(
    settings: Settings, market: OpenMarket, vendor: Vendor, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    cli.rerun_provisional(settings, clock=lambda: market.now)
    out = capsys.readouterr().out
    assert out.startswith("provisional, as of 10:30 New York, before the close")
    assert f"{TODAY}: " in out
    assert "symbols rescanned" in out
    assert "1 calls to the vendor" in out

    monkeypatch.setenv("SCAN_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("SCAN_PROVIDER", "massive")

    def typed(*words: str) -> str:
        done = CliRunner().invoke(cli.main, words, catch_exceptions=False)
        assert done.exit_code == 0
        return done.output or capsys.readouterr().out

    said = typed("results", "--session", str(TODAY)).splitlines()[0]
    assert said.startswith(f"Hits of {TODAY}, provisional, as of 10:30 New York, before the close; scanned ")
    assert all(hit["provisional"] for hit in json.loads(typed("results", "--format", "json")))
    lines = list(csv.DictReader(typed("results", "--format", "csv").splitlines()))
    assert {line["provisional"] for line in lines} == {"True"}
    said = typed("diff", "--session", str(TODAY), "--session", str(TODAY))
    assert said.startswith(f"{TODAY} to {TODAY}, provisional, as of 10:30 New York, before the close: 0 entered")
    said = typed("status")
    assert f"before close  {TODAY}: provisional, as of 10:30 New York" in said
    assert "to 2025-09-24" in said


def test_the_command_line_refuses_a_session_beside_provisional_and_a_provider_without_snapshots(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCAN_DATA_DIR", str(settings.data_dir))
    for provider, words, said in (
        ("demo", (), "The provider 'demo' cannot tell bars before the close"),
        ("massive", ("--session", str(TODAY)), "leave --session out"),
    ):
        monkeypatch.setenv("SCAN_PROVIDER", provider)
        done = CliRunner().invoke(cli.main, ["rerun", "--provisional", *words])
        assert done.exit_code == 1
        assert said in done.output
