"""What the example scripts must find, computed anew from plain bars.

What belongs here: for each honest script of `examples/` a function that says which symbols it must find on which
sessions, written as naively as possible, from the words of the strategy. It shares no code with the scripts, the
gateway or the product. What does not: running scripts, and reading bars from a store.

    hits = expected_hits("gap_up_async", market, date(2025, 12, 31), symbols)
    assert set(hits) == {("ABCD", "2025-12-30"), …}

Defaults of the functions are the scripts' own constants; give others by name where a run gives them to the script.
"""

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

EXAMPLES_DIR = Path(__file__).resolve().parent / "examples"

#: A symbol and a session as text to a number that the script gives for it, where one is worth comparing.
Hits = dict[tuple[str, str], float | None]


@dataclass(frozen=True)
class Market:
    """All that there is to know, of all symbols, past and future."""

    #: session, symbol, open, high, low, close, volume, as traded.
    bars: pd.DataFrame
    #: symbol, ex_date, split_from, split_to, known_on.
    splits: pd.DataFrame
    #: (symbol, session as text) to what `/v3/reference/tickers/SYMBOL?date=` says; unknown where absent.
    market_caps: dict[tuple[str, str], float] = field(default_factory=dict)
    #: symbol, starts_at (UTC, without zone), high: minutes as traded. Empty: the gateway answers without bars.
    minutes: pd.DataFrame | None = None


@dataclass(frozen=True)
class Bar:
    """One bar as a script gets it."""

    day: str
    o: float
    h: float
    l: float  # noqa: E741  the vendor's name
    c: float
    v: float


@dataclass(frozen=True)
class Seen:
    """What a script can see: bars up to a session of some symbols, oldest first, as traded and adjusted for splits."""

    as_of: date
    traded: dict[str, list[Bar]]
    adjusted: dict[str, list[Bar]]
    market: Market


def see(market: Market, as_of: date, symbols: Iterable[str]) -> Seen:
    """A market as of a session: splits that are known and in force, and no bar after it."""
    wanted = set(symbols)
    known: dict[str, list[tuple[date, float]]] = {}
    for one in market.splits.itertuples():
        if max(_day(one.ex_date), _day(one.known_on)) <= as_of:
            known.setdefault(one.symbol, []).append((_day(one.ex_date), one.split_from / one.split_to))
    traded: dict[str, list[Bar]] = {}
    adjusted: dict[str, list[Bar]] = {}
    bars = market.bars.sort_values(["symbol", "session"])
    rows = zip(*(bars[name] for name in ("symbol", "session", "open", "high", "low", "close", "volume")), strict=True)
    for symbol, session, o, h, l, c, v in rows:  # noqa: E741
        day = _day(session)
        if symbol not in wanted or day > as_of:
            continue
        factor = 1.0
        for ex_date, ratio in known.get(symbol, []):
            if day < ex_date:
                factor *= ratio
        traded.setdefault(symbol, []).append(Bar(str(day), o, h, l, c, v))
        adjusted.setdefault(symbol, []).append(
            Bar(str(day), o * factor, h * factor, l * factor, c * factor, v / factor)
        )
    return Seen(as_of, traded, adjusted, market)


def expected_hits(script: str, market: Market, as_of: date, symbols: Iterable[str], **parameters: str) -> Hits:
    """What a script (its file's name without `.py`) must find as of a session, when it is shown these symbols."""
    return STRATEGIES[script](see(market, as_of, symbols), **parameters)


def gap_up_async(seen: Seen, load_from: str = "2025-07-01", print_from: str = "2025-11-03") -> Hits:
    """Opens 4 % above the last close, closes green, 1.5 times its volume of 20 bars, a million dollars as traded."""
    hits: Hits = {}
    for symbol, bars in _loaded(seen.adjusted, load_from):
        raw = {bar.day: bar for bar in seen.traded[symbol]}
        for i in range(20, len(bars)):
            now, before = bars[i], bars[i - 1]
            usual = sum(bar.v for bar in bars[i - 20 : i]) / 20
            gap = (now.o / before.c - 1) * 100
            dollars = raw[now.day].c * raw[now.day].v
            found = gap >= 4 and now.c > now.o and now.v >= 1.5 * usual and dollars >= 1e6 and raw[now.day].c >= 2
            if found and now.day >= print_from:
                hits[symbol, now.day] = gap
    return hits


def market_rank_async(seen: Seen, load_from: str = "2025-09-02", print_from: str = "2025-12-08") -> Hits:
    """The ten best returns over 20 bars among what costs 5 dollars and trades half a million shares; the rank."""
    by_day: dict[str, list[tuple[float, str]]] = {}
    for symbol, bars in _loaded(seen.adjusted, load_from):
        for i in range(20, len(bars)):
            usual = sum(bar.v for bar in bars[i - 19 : i + 1]) / 20
            if bars[i].c >= 5 and usual >= 500_000:
                by_day.setdefault(bars[i].day, []).append((bars[i].c / bars[i - 20].c - 1, symbol))
    hits: Hits = {}
    for day, returns in by_day.items():
        if day >= print_from:
            for place, (_, symbol) in enumerate(sorted(returns, reverse=True)[:10], start=1):
                hits[symbol, day] = place
    return hits


def breakout_spawn_pool(seen: Seen, load_from: str = "2025-06-16", print_from: str = "2025-11-17") -> Hits:
    """Closes above the highest high of 50 bars on twice their volume; the word `adjust` means nothing: adjusted."""
    hits: Hits = {}
    for symbol, bars in _loaded(seen.adjusted, load_from):
        for i in range(50, len(bars)):
            past = bars[i - 50 : i]
            times = bars[i].v / (sum(bar.v for bar in past) / 50)
            if bars[i].day >= print_from and bars[i].c > max(bar.h for bar in past) and times >= 2:
                hits[symbol, bars[i].day] = times
    return hits


def high_52w_threads(seen: Seen, print_from: str = "2025-10-01") -> Hits:
    """Closes green above the highest high of 250 bars on more volume than usual; 252 bars at least."""
    hits: Hits = {}
    for symbol, bars in _listed("high_52w_threads", seen.adjusted):
        for i in range(250, len(bars)):
            now = bars[i]
            usual = sum(bar.v for bar in bars[i - 49 : i + 1]) / 50
            highest = max(bar.h for bar in bars[i - 250 : i])
            if len(bars) >= 252 and now.day >= print_from and now.c > highest and now.c > now.o and now.v > usual:
                hits[symbol, now.day] = None
    return hits


def inside_day_list(seen: Seen, print_from: str = "2025-11-24") -> Hits:
    """Within the range of the day before, above a mean of 20 that rises, 5 million dollars a day; as traded."""
    hits: Hits = {}
    for symbol, bars in _listed("inside_day_list", seen.traded):
        if len(bars) < 30:
            continue
        for i in range(24, len(bars)):
            now, before = bars[i], bars[i - 1]
            mean = sum(bar.c for bar in bars[i - 19 : i + 1]) / 20
            earlier = sum(bar.c for bar in bars[i - 24 : i - 4]) / 20
            dollars = sum(bar.c * bar.v for bar in bars[i - 9 : i + 1]) / 10
            inside = now.h < before.h and now.l > before.l
            if now.day >= print_from and inside and now.c > mean > earlier and dollars > 5e6:
                hits[symbol, now.day] = now.c
    return hits


def three_green_urllib3(seen: Seen, print_from: str = "2025-10-13") -> Hits:
    """Three green days, each closing higher on more volume, 5 % in all, at 3 dollars or more."""
    hits: Hits = {}
    for symbol, bars in _listed("three_green_urllib3", seen.adjusted):
        for i in range(3, len(bars)):
            zero, one, two, three = bars[i - 3 : i + 1]
            green = one.c > one.o and two.c > two.o and three.c > three.o
            rising = one.c < two.c < three.c and one.v < two.v < three.v
            if three.day >= print_from and green and rising and three.c >= 3 and three.c / zero.c - 1 >= 0.05:
                hits[symbol, three.day] = None
    return hits


def volume_surge_urllib(seen: Seen, print_from: str = "2025-06-02") -> Hits:
    """Up on more than 4 times the volume of the 30 bars before, which is more than 20,000 shares."""
    hits: Hits = {}
    for symbol, bars in _listed("volume_surge_urllib", seen.adjusted):
        for i in range(30, len(bars)):
            usual = sum(bar.v for bar in bars[i - 30 : i]) / 30
            if bars[i].day >= print_from and usual > 20_000 and bars[i].v > 4 * usual and bars[i].c > bars[i - 1].c:
                hits[symbol, bars[i].day] = bars[i].v / usual
    return hits


def class_volume_scanner(seen: Seen, load_from: str = "2025-06-02", print_from: str = "2025-09-15") -> Hits:
    """Up 2 % on 3.5 times the volume of the 50 bars before, closing in the upper 30 % of the day."""
    hits: Hits = {}
    for symbol, bars in _loaded(seen.adjusted, load_from):
        for i in range(50, len(bars)):
            now = bars[i]
            times = now.v / (sum(bar.v for bar in bars[i - 50 : i]) / 50)
            change = (now.c / bars[i - 1].c - 1) * 100
            high = now.h > now.l and (now.c - now.l) / (now.h - now.l) >= 0.7
            if now.day >= print_from and times >= 3.5 and high and change > 2 and now.c >= 1:
                hits[symbol, now.day] = round(times * change, 2)
    return hits


def class_nr7_scanner(seen: Seen, load_from: str = "2025-07-14", print_from: str = "2025-12-01") -> Hits:
    """The narrowest range of 7, within the day before, above the mean of 50; 5 dollars, 200,000 shares."""
    hits: Hits = {}
    for symbol, bars in _loaded(seen.adjusted, load_from):
        for i in range(49, len(bars)):
            now, before = bars[i], bars[i - 1]
            narrow = now.h - now.l == min(bar.h - bar.l for bar in bars[i - 6 : i + 1])
            inside = now.h < before.h and now.l > before.l
            mean = sum(bar.c for bar in bars[i - 49 : i + 1]) / 50
            if now.day >= print_from and narrow and inside and now.c > mean and now.c >= 5 and now.v >= 200_000:
                hits[symbol, now.day] = now.c
    return hits


def grouped_then_details(seen: Seen, load_from: str = "2025-10-20") -> Hits:
    """Opens 5 % above the last close at 1 to 20 dollars, 100,000 shares, worth at most 2 billion where known."""
    hits: Hits = {}
    for symbol, bars in _loaded(seen.adjusted, load_from):
        for before, now in pairwise(bars):
            gap = (now.o - before.c) / before.c * 100
            cap = seen.market.market_caps.get((symbol, now.day))
            if gap >= 5 and 1 <= now.o <= 20 and now.v >= 100_000 and not (cap is not None and cap > 2e9):
                hits[symbol, now.day] = round(gap, 2)
    return hits


def pullback_httpx(seen: Seen, print_from: str = "2025-12-01") -> Hits:
    """Down 5 % from the open at 3 dollars as traded, on 1.25 times the volume of 30, above the mean of 200."""
    hits: Hits = {}
    for symbol, bars in seen.adjusted.items():
        for i, raw in enumerate(seen.traded[symbol]):
            if raw.day < print_from or raw.c < 3 or (raw.c / raw.o - 1) * 100 > -5:
                continue
            earliest = str(date.fromisoformat(raw.day) - timedelta(days=400))
            past = [bar for bar in bars[: i + 1] if bar.day >= earliest]
            if len(past) < 201:
                continue
            mean = sum(bar.c for bar in past[-200:]) / 200
            usual = sum(bar.v for bar in past[-31:-1]) / 30
            if past[-1].c > mean and past[-1].v > 1.25 * usual:
                hits[symbol, raw.day] = past[-1].c
    return hits


def opening_range_30m(seen: Seen, load_from: str = "2025-12-01") -> Hits:
    """Opens 3 % above the last close and closes above the high of the first half hour; nothing without minutes."""
    highs: dict[tuple[str, str], float] = {}
    if seen.market.minutes is not None:
        for one in seen.market.minutes.itertuples():
            at = pd.Timestamp(one.starts_at, tz="UTC").tz_convert("America/New_York")
            if at.hour == 9 and at.minute >= 30:
                place = (one.symbol, str(at.date()))
                highs[place] = max(one.high, highs.get(place, 0))
    hits: Hits = {}
    for symbol, bars in _loaded(seen.traded, load_from):
        for before, now in pairwise(bars):
            high = highs.get((symbol, now.day))
            if high is not None and now.o / before.c >= 1.03 and now.v > 50_000 and now.c > high:
                hits[symbol, now.day] = high
    return hits


def outside_day_module_level(seen: Seen) -> Hits:
    """Above and below the day before, closing above it on more volume; the last three weeks of five."""
    hits: Hits = {}
    for symbol, bars in _loaded(seen.adjusted, str(seen.as_of - timedelta(days=35))):
        for before, now in pairwise(bars):
            outside = now.h > before.h and now.l < before.l and now.c > before.h and now.v > before.v
            recent = now.day > str(seen.as_of - timedelta(days=21))
            if recent and outside and now.c >= 5 and now.v >= 300_000:
                hits[symbol, now.day] = now.c
    return hits


def reversal_by_hand(seen: Seen) -> Hits:
    """Below the lows of 20 bars, then green into the upper quarter, 2 million dollars; 30 days of 70."""
    hits: Hits = {}
    for symbol, bars in _loaded(seen.adjusted, str(seen.as_of - timedelta(days=70))):
        for i in range(20, len(bars)):
            now = bars[i]
            washed_out = now.l < min(bar.l for bar in bars[i - 20 : i]) and now.c > now.o and now.h > now.l
            recent = now.day >= str(seen.as_of - timedelta(days=30))
            if recent and washed_out and (now.c - now.l) / (now.h - now.l) > 0.75 and now.c * now.v > 2e6:
                hits[symbol, now.day] = now.c
    return hits


def pocket_pivot_http_client(seen: Seen) -> Hits:
    """Green, above its mean of 10 from below, on more volume than any down day of the ten before; 60 days."""
    hits: Hits = {}
    for symbol, bars in _listed("pocket_pivot_http_client", seen.adjusted):
        bars = [bar for bar in bars if bar.day >= "2025-01-01"]
        for i in range(11, len(bars)):
            now = bars[i]
            down = [bars[k].v for k in range(i - 10, i) if bars[k].c < bars[k - 1].c]
            mean = sum(bar.c for bar in bars[i - 9 : i + 1]) / 10
            crossed = bars[i - 1].c < mean < now.c and now.c > now.o
            if now.day >= str(seen.as_of - timedelta(days=60)) and down and now.v > max(down) and crossed:
                hits[symbol, now.day] = None
    return hits


def trend_pandas2(seen: Seen) -> Hits:
    """Dips to the exponential mean of 10 from above and closes over it, within 8 % of the high of 40; 25 days of 90."""
    hits: Hits = {}
    for symbol, bars in _loaded(seen.adjusted, str(seen.as_of - timedelta(days=90))):
        mean = bars[0].c
        for i, now in enumerate(bars):
            mean += (now.c - mean) * 2 / 11 if i else 0
            recent = now.day >= str(seen.as_of - timedelta(days=25))
            if i < 40 or not recent or now.c * now.v <= 3e6:
                continue
            touched = now.l <= mean < now.c and bars[i - 1].l > mean
            if touched and now.c >= 0.92 * max(bar.h for bar in bars[i - 39 : i + 1]):
                hits[symbol, now.day] = now.c
    return hits


STRATEGIES: dict[str, Callable[..., Hits]] = {
    strategy.__name__: strategy
    for strategy in (
        gap_up_async, market_rank_async, breakout_spawn_pool, high_52w_threads, inside_day_list, three_green_urllib3,
        volume_surge_urllib, class_volume_scanner, class_nr7_scanner, grouped_then_details, pullback_httpx,
        opening_range_30m, outside_day_module_level, reversal_by_hand, pocket_pivot_http_client, trend_pandas2,
    )
}  # fmt: skip


def _loaded(bars: dict[str, list[Bar]], first: str) -> list[tuple[str, list[Bar]]]:
    """The bars of each symbol from a day on: a script knows no more than it has asked for."""
    loaded = [(symbol, [bar for bar in several if bar.day >= first]) for symbol, several in bars.items()]
    return [(symbol, several) for symbol, several in loaded if several]


def _listed(script: str, bars: dict[str, list[Bar]]) -> list[tuple[str, list[Bar]]]:
    """The bars of the symbols that a script has a list of."""
    tree = ast.parse((EXAMPLES_DIR / f"{script}.py").read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    words = {word for text in texts for word in text.replace(",", " ").split()}
    return [(symbol, several) for symbol, several in bars.items() if symbol in words]


def _day(value: Any) -> date:
    day: date = pd.Timestamp(value).date()
    return day
