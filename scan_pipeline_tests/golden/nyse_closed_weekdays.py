"""Writes `nyse_closed_weekdays_2000_2027.csv` from the holiday rules of the exchange, with no calendar library.

Rule 7.2 of the New York Stock Exchange names the holidays; one on a Sunday is kept on Monday, one on a Saturday on
Friday, except New Year's Day, which is then not kept. Closings out of the ordinary are listed one by one.
Run it to write the file anew: `python -m scan_pipeline_tests.golden.nyse_closed_weekdays`.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

PATH = Path(__file__).with_name("nyse_closed_weekdays_2000_2027.csv")
YEARS = range(2000, 2028)
MONDAY, THURSDAY, SATURDAY, SUNDAY = 0, 3, 5, 6

SPECIAL = {
    date(2001, 9, 11): "attacks of September 11",
    date(2001, 9, 12): "attacks of September 11",
    date(2001, 9, 13): "attacks of September 11",
    date(2001, 9, 14): "attacks of September 11",
    date(2004, 6, 11): "mourning of Ronald Reagan",
    date(2007, 1, 2): "mourning of Gerald Ford",
    date(2012, 10, 29): "hurricane Sandy",
    date(2012, 10, 30): "hurricane Sandy",
    date(2018, 12, 5): "mourning of George H. W. Bush",
    date(2025, 1, 9): "mourning of Jimmy Carter",
}


def holidays(year: int) -> Iterator[tuple[date, str]]:
    """The days on which the exchange keeps its holidays."""
    new_year = date(year, 1, 1)
    if new_year.weekday() != SATURDAY:
        yield observed(new_year), "New Year's Day"
    yield nth(year, 1, MONDAY, 3), "Martin Luther King Jr. Day"
    yield nth(year, 2, MONDAY, 3), "Presidents' Day"
    yield easter(year) - timedelta(days=2), "Good Friday"
    yield nth(year, 6, MONDAY, 1) - timedelta(days=7), "Memorial Day"
    if year >= 2022:
        yield observed(date(year, 6, 19)), "Juneteenth"
    yield observed(date(year, 7, 4)), "Independence Day"
    yield nth(year, 9, MONDAY, 1), "Labor Day"
    yield nth(year, 11, THURSDAY, 4), "Thanksgiving Day"
    yield observed(date(year, 12, 25)), "Christmas Day"


def observed(day: date) -> date:
    """The weekday on which a holiday is kept."""
    return day + timedelta(days={SATURDAY: -1, SUNDAY: 1}.get(day.weekday(), 0))


def nth(year: int, month: int, weekday: int, number: int) -> date:
    """The first, second, third … such weekday of the month."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (number - 1))


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar, by the method of Meeus, Jones and Butcher."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def main() -> None:
    """Write the file."""
    closed = sorted(SPECIAL.items() | {holiday for year in YEARS for holiday in holidays(year)})
    PATH.write_text("date,reason\n" + "".join(f"{day},{reason}\n" for day, reason in closed))


if __name__ == "__main__":
    main()
