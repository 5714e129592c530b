"""The calendar: which days are sessions, when they close, and the Dagster partitions that follow from it."""

import csv
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scan_pipeline.defs.partitions import session_partitions
from scan_pipeline.errors import SessionError
from scan_pipeline.sessions import NEW_YORK, Calendar, to_date
from scan_pipeline_tests.golden import nyse_closed_weekdays

FIRST, LAST = date(2000, 1, 3), date(2027, 12, 31)


@pytest.fixture(scope="module")
def calendar_to_2027(tmp_path_factory: pytest.TempPathFactory) -> Calendar:
    return Calendar.load(tmp_path_factory.mktemp("cache"), today=date(2026, 7, 1))


@pytest.fixture(scope="module")
def golden_sessions() -> list[date]:
    with nyse_closed_weekdays.PATH.open() as lines:
        closed = {date.fromisoformat(row["date"]) for row in csv.DictReader(lines)}
    days = (FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1))
    return [day for day in days if day.weekday() < 5 and day not in closed]


def quarter(day: date) -> tuple[int, int]:
    return day.year, (day.month - 1) // 3


def new_york(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


# The sessions


def test_sessions_from_2000_to_2027_are_those_of_the_exchange(
    calendar_to_2027: Calendar, golden_sessions: list[date]
) -> None:
    assert calendar_to_2027.between(FIRST, LAST) == golden_sessions
    assert (str(calendar_to_2027.days[0]), str(calendar_to_2027.days[-1])) == (str(FIRST), str(LAST))


def test_the_golden_file_follows_from_the_rules_of_the_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = nyse_closed_weekdays.PATH.read_text()
    monkeypatch.setattr(nyse_closed_weekdays, "PATH", tmp_path / "again.csv")
    nyse_closed_weekdays.main()
    assert (tmp_path / "again.csv").read_text() == committed


def test_closed_weekdays_and_sessions_together_are_all_weekdays(
    calendar_to_2027: Calendar, golden_sessions: list[date]
) -> None:
    closed = calendar_to_2027.closed_weekdays()
    weekdays = int(np.busday_count(FIRST, LAST + timedelta(days=1)))
    assert not set(closed) & set(golden_sessions)
    assert len(closed) + len(golden_sessions) == weekdays


@pytest.mark.parametrize("day", [date(2015, 7, 3), date(2015, 7, 4), date(2012, 10, 29), date(2025, 1, 9)])
def test_a_closed_day_is_no_session(calendar: Calendar, day: date) -> None:
    assert not calendar.is_session(day)


@given(day=st.dates(date(1990, 1, 1), date(2040, 1, 1)))
def test_a_day_is_a_session_exactly_if_the_calendar_lists_it(calendar: Calendar, day: date) -> None:
    assert calendar.is_session(day) == (np.datetime64(day) in calendar.days)


# Closing times


@pytest.mark.parametrize(
    "day",
    ["2015-11-27", "2015-12-24", "2014-07-03", "2013-07-03", "2018-12-24", "2024-07-03", "2024-11-29", "2025-07-03"],
)
def test_an_early_close_is_at_13_00(calendar: Calendar, day: str) -> None:
    assert calendar.closes_at(date.fromisoformat(day)) == new_york(f"{day} 13:00")


@pytest.mark.parametrize("day", ["2015-01-15", "2015-07-02", "2015-07-15", "2021-12-23", "2024-03-08", "2024-03-11"])
def test_an_ordinary_close_is_at_16_00_in_winter_and_summer(calendar: Calendar, day: str) -> None:
    assert calendar.closes_at(date.fromisoformat(day)) == new_york(f"{day} 16:00")


def test_early_closes_are_rare_and_never_before_noon(calendar_to_2027: Calendar) -> None:
    hours = [datetime.fromtimestamp(int(close), NEW_YORK).hour for close in calendar_to_2027.closes]
    early = sum(hour < 16 for hour in hours)
    assert min(hours) >= 13
    assert 28 <= early <= 28 * 3


@pytest.mark.parametrize(
    ("now", "latest"),
    [
        ("2015-07-10 15:59:59", "2015-07-09"),
        ("2015-07-10 16:00:00", "2015-07-10"),
        ("2015-07-12 12:00:00", "2015-07-10"),
        ("2015-11-27 12:59:59", "2015-11-25"),
        ("2015-11-27 13:00:00", "2015-11-27"),
    ],
)
def test_the_latest_closed_session_changes_with_the_close(calendar: Calendar, now: str, latest: str) -> None:
    assert str(calendar.latest_closed(new_york(now))) == latest
    assert str(calendar.latest_closed(new_york(now).astimezone(UTC))) == latest


# What is refused


def test_a_session_that_has_not_closed_is_refused_with_its_close_and_the_last_closed_session(
    calendar: Calendar,
) -> None:
    sessions = [date(2015, 11, 25), date(2015, 11, 27)]
    with pytest.raises(SessionError) as refused:
        calendar.require_closed(sessions, now=new_york("2015-11-27 12:30"))
    assert "Session 2015-11-27 has not closed" in str(refused.value)
    assert "closes at 2015-11-27 13:00 New York time" in str(refused.value)
    assert "last closed session is 2015-11-25" in str(refused.value)
    calendar.require_closed(sessions, now=new_york("2015-11-27 13:00"))


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("2015-07-11", "2015-07-10", "2015-07-13"),
        ("2015-07-03", "2015-07-02", "2015-07-06"),
        ("2012-10-29", "2012-10-26", "2012-10-31"),
    ],
)
def test_a_day_that_is_no_session_is_refused_with_the_sessions_around_it(
    calendar: Calendar, text: str, before: str, after: str
) -> None:
    with pytest.raises(SessionError, match=rf"^{text} \(\w+day\) is not a session.*{before} and {after}\.$"):
        calendar.parse(text)


@pytest.mark.parametrize("text", ["yesterday", "15.07.2015", "2015-02-30", ""])
def test_what_is_no_date_is_refused_with_the_format(calendar: Calendar, text: str) -> None:
    with pytest.raises(SessionError, match=f"'{text}' is not a date. Write it as YYYY-MM-DD"):
        calendar.parse(text)


@pytest.mark.parametrize("text", ["1999-12-31", "2099-01-05"])
def test_a_day_outside_the_calendar_is_refused_with_its_bounds(calendar: Calendar, text: str) -> None:
    with pytest.raises(SessionError, match=f"^{text} is outside the calendar, which holds 2000-01-03 to "):
        calendar.parse(text)


def test_a_range_that_runs_backwards_is_refused(calendar: Calendar) -> None:
    with pytest.raises(SessionError, match="2015-07-15 to 2015-07-14 runs backwards"):
        calendar.between(date(2015, 7, 15), date(2015, 7, 14))


def test_a_range_without_a_session_is_empty(calendar: Calendar) -> None:
    assert calendar.between(date(2015, 7, 11), date(2015, 7, 12)) == []


# Where history begins


@given(number=st.integers(700, 6500), count=st.integers(1, 600))
def test_history_begins_with_a_quarter_and_holds_what_is_wanted(calendar: Calendar, number: int, count: int) -> None:
    session, earliest = to_date(calendar.days[number]), to_date(calendar.days[number - count])
    start = calendar.history_start(session, count)
    assert calendar.before(session, count) == earliest
    assert start <= earliest
    assert quarter(start) == quarter(earliest)
    assert quarter(calendar.before(start, 1)) != quarter(start)


@given(number=st.integers(700, 6500), apart=st.integers(0, 120), count=st.integers(1, 600))
def test_sessions_whose_wanted_history_begins_in_one_quarter_share_its_start(
    calendar: Calendar, number: int, apart: int, count: int
) -> None:
    one, other = to_date(calendar.days[number]), to_date(calendar.days[number + apart])
    starts = calendar.history_start(one, count), calendar.history_start(other, count)
    quarters = [quarter(calendar.before(session, count)) for session in (one, other)]
    assert starts[0] <= starts[1]
    assert (starts[0] == starts[1]) == (quarters[0] == quarters[1])


def test_history_of_the_first_sessions_begins_with_the_calendar(calendar: Calendar) -> None:
    assert calendar.history_start(date(2000, 2, 1), 300) == FIRST


# The cache


def test_the_cached_calendar_is_the_same_and_spares_the_import(calendar_cache: Path, calendar: Calendar) -> None:
    program = (
        "import sys; from pathlib import Path; from scan_pipeline.sessions import Calendar\n"
        "calendar = Calendar.load(Path(sys.argv[1]))\n"
        "assert 'exchange_calendars' not in sys.modules and 'pandas' not in sys.modules\n"
        "print(len(calendar.days), calendar.days[-1], calendar.closes.sum())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, str(calendar_cache)], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == [str(len(calendar.days)), str(calendar.days[-1]), str(calendar.closes.sum())]


def test_a_cache_that_is_deleted_is_made_again(tmp_path: Path) -> None:
    made = Calendar.load(tmp_path / "cache")
    shutil.rmtree(tmp_path / "cache")
    again = Calendar.load(tmp_path / "cache")
    assert (made.days == again.days).all()
    assert (made.closes == again.closes).all()
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_the_calendar_reaches_to_the_end_of_next_year(tmp_path: Path) -> None:
    assert str(Calendar.load(tmp_path, today=date(2024, 12, 31)).days[-1]) == "2025-12-31"
    assert str(Calendar.load(tmp_path, today=date(2025, 1, 1)).days[-1]) == "2026-12-31"


# Dagster's partitions


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2015-07-09 20:00", "2015-07-09"),  # Thursday evening
        ("2015-07-10 00:00", "2015-07-10"),  # Friday, from midnight on
        ("2015-07-10 20:00", "2015-07-10"),  # Friday evening
        ("2015-07-11 12:00", "2015-07-13"),  # Saturday: Monday is next
        ("2015-07-12 23:59", "2015-07-13"),
        ("2015-07-13 09:00", "2015-07-13"),
        ("2015-04-02 20:00", "2015-04-02"),  # the evening before Good Friday
        ("2015-04-03 12:00", "2015-04-06"),  # Good Friday
        ("2015-04-06 01:00", "2015-04-06"),
        ("2015-11-25 20:00", "2015-11-25"),
        ("2015-11-26 20:00", "2015-11-27"),  # Thanksgiving Day
        ("2012-10-29 12:00", "2012-10-31"),  # the hurricane
        ("2015-03-08 12:00", "2015-03-09"),  # the clocks go forward
    ],
)
def test_partitions_are_the_sessions_up_to_today_and_on_a_closed_day_the_next_one(
    calendar_to_2027: Calendar, golden_sessions: list[date], now: str, last: str
) -> None:
    keys = session_partitions(calendar_to_2027).get_partition_keys(current_time=new_york(now))
    assert keys == [str(day) for day in golden_sessions if str(day) <= last]


def test_partitions_of_2000_to_2027_are_the_sessions_of_the_exchange(
    calendar_to_2027: Calendar, golden_sessions: list[date]
) -> None:
    keys = session_partitions(calendar_to_2027).get_partition_keys(current_time=new_york("2027-12-31 20:00"))
    assert keys == [str(day) for day in golden_sessions]


@pytest.mark.parametrize("key", ["2015-07-10", "2015-04-02", "2015-11-25", "2015-07-15"])
def test_a_partition_before_a_closed_day_does_not_stretch_over_it(calendar_to_2027: Calendar, key: str) -> None:
    window = session_partitions(calendar_to_2027).time_window_for_partition_key(key)
    assert (window.start, window.end) == (new_york(key), new_york(key) + timedelta(days=1))
