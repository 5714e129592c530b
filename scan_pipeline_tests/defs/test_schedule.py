"""The nightly schedule: after the close in New York, on sessions, and a reason on every other day."""

from collections.abc import Callable
from datetime import datetime

import dagster as dg
import pytest

from scan_pipeline.definitions import build_definitions
from scan_pipeline.defs.jobs import NIGHTLY_CRON, build_schedule
from scan_pipeline.sessions import NEW_YORK, Calendar
from scan_pipeline_tests.conftest import SettingsFactory

Evaluate = Callable[[datetime], dg.RunRequest | dg.SkipReason]


@pytest.fixture
def evaluate(calendar: Calendar, settings_for: SettingsFactory) -> Evaluate:
    repository = build_definitions(settings_for()).get_repository_def()

    def at(evening: datetime) -> dg.RunRequest | dg.SkipReason:
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_schedule_context(instance, evening, repository_def=repository)
            data = build_schedule(calendar).evaluate_tick(context)
        return data.run_requests[0] if data.run_requests else dg.SkipReason(data.skip_message)

    return at


@pytest.mark.parametrize("day", [(2025, 7, 2), (2025, 7, 3), (2025, 11, 28), (2025, 3, 10)])
def test_a_session_is_scanned_on_its_evening_once(evaluate: Evaluate, day: tuple[int, int, int]) -> None:
    request = evaluate(datetime(*day, 18, tzinfo=NEW_YORK))
    session = datetime(*day).date().isoformat()
    assert (request.partition_key, request.run_key) == (session, session)


@pytest.mark.parametrize("day", [(2025, 7, 4), (2025, 1, 9), (2025, 12, 25)])
def test_a_holiday_is_skipped_with_its_reason(evaluate: Evaluate, day: tuple[int, int, int]) -> None:
    skipped = evaluate(datetime(*day, 18, tzinfo=NEW_YORK))
    assert "is no session: the exchange is closed" in skipped.skip_message


def test_the_scan_starts_after_every_close(calendar: Calendar) -> None:
    assert NIGHTLY_CRON == "0 18 * * 1-5"
    closes = [datetime.fromtimestamp(int(close), NEW_YORK).hour for close in calendar.closes]
    assert max(closes) < 18
    assert build_schedule(calendar).execution_timezone == "America/New_York"
