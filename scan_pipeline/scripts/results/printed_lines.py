"""Hits in printed lines: `SYM date`, date first, under a heading of either, with what stands around them.

What belongs here: one line's grammar, and headings that hold for the lines below them. What does not: tables
(`printed_tables.py`). A line is no hit when it tells what the program does (fetching, a range of dates, errors), when
its date is the log's own, or when the word beside the date is no symbol: words such as TOTAL never are, words such as
ALL and NOW only as the first of a line with the date right behind.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from scan_pipeline.scripts.results.columns import TICKER, as_day, word_set
from scan_pipeline.scripts.results.values import read_cell

#: Longer lines are no lines of hits.
LONGEST = 2_000

#: Never symbols in what is printed.
NEVER = word_set("TOTAL DATE NONE INFO HITS DEBUG WARNING WARN ERROR CRITICAL")
#: Real tickers, some of them, and words that programs print beside dates: symbols only where nothing else can be.
WORDS = word_set(
    "A I ALL NOW LOW FAST ON IT AT IN OF OR AN AS BY TO UP FOR THE AND NEW TOP DAY RUN END OUT NEXT LAST OPEN HIGH "
    "SCAN HIT SIGNAL SIGNALS ALERT ALERTS MATCH MATCHES FOUND BUY SELL LONG SHORT PASS FAIL OK YES NO NOT START DONE "
    "RESULT RESULTS SYMBOL TICKER STOCK SESSION TODAY FROM UNTIL SINCE ASOF UTC EST EDT ET AM PM GAP RSI EMA SMA ATR "
    "VWAP CSV API USD USA AVG MIN MAX EOD SIG ID URL HTTP JSON GET N SETUP SUMMARY REPORT COUNT STEP PHASE DATES "
    "SYMBOLS BEST WATCHLIST CANDIDATE CANDIDATES DATA NAN NAT NULL"
)
#: What a program says of its work, not of a hit.
_WORK = re.compile(
    r"\b(?:fetch\w*|download\w*|load\w*|request\w*|cach(?:e|ed|ing)|process\w*|scann(?:ing|ed)|skip\w*|bars|rows|"
    r"fail\w*|errors?|exception|traceback|retry\w*|timeout|not found|nothing|"
    r"no (?:data|hits?|signals?|match\w*|results?|setups?)|0 (?:hits?|signals?|match\w*|results?)|start(?:ed|ing)|"
    r"finished|completed|saved|written|wrote|since|from)\b",
    re.IGNORECASE,
)
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?"
_DAY = (
    r"(?:\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{4}\.\d{2}\.\d{2}|\d{1,2}/\d{1,2}/\d{4}|\d{2}-\d{2}-\d{4}|\d{1,2}\.\d{1,2}\.\d{4}"
    rf"|(?:19[89]|20\d)\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|{_MONTH} \d{{1,2}},? \d{{4}}"
    rf"|\d{{1,2}}[- ]{_MONTH}[- ]\d{{4}})"
)
_DATE = rf"(?<![\w.$+-]){_DAY}(?:[T ]{_CLOCK}(?: ?(?:Z|UTC|ET|E[SD]T|[+-]\d{{2}}:?\d{{2}}))?)?(?![\d%]|\.\d|-\d)"
_FIND_DATE = re.compile(_DATE)
_WORD = r"(?<![\w.$])\$?[A-Z][A-Za-z0-9]{0,9}(?:[./^-][A-Z]{1,3})?(?![\w$])"
_FIND_WORD = re.compile(_WORD)
_BETWEEN = r"[\s,:;|@>=()\[\]'\"/–—→•·-]{1,40}(?:(?i:on|at|date|day|session)\b[\s:=@'\"-]{1,4})?"
_FIRST = re.compile(rf"({_WORD}){_BETWEEN}({_DATE})")
_RANGE = re.compile(rf"{_DATE}['\"]?\s*(?:to|through|until|-|–|—|→|->|\.\.+)\s*['\"]?{_DATE}")
_MORE_DATES = re.compile(rf"\s*(?:,|&|and)\s*({_DATE})")
_LABELLED = re.compile(rf"(?i:\b(?:symbol|ticker|sym|stock)['\"]?)\s*[:=]\s*['\"]?({_WORD})")
_LEVEL = r"(?:DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL)"
_LOG = re.compile(
    rf"(?:\[?(?:{_DAY}[T ])?{_CLOCK}(?:Z|[+-]\d{{2}}:?\d{{2}})?\]?[\s:|-]*)?(?:[\w.()/-]+\s*[-|:]\s+){{0,3}}"
    rf"[\[(<]?\b{_LEVEL}\b[\])>]?(?:[:|-][\w.]+(?=:))?[\s:|-]*"
)
#: A clock's reading before a message: in brackets, alone, or with parts of a second.
_STAMP = re.compile(
    rf"(?:\[(?:{_DAY}[T ])?{_CLOCK}\]|{_DAY}[T ]{_CLOCK}(?<=[.,]\d{{3}})|{_DAY}[T ]\d\d:\d\d:\d\d[.,]\d+"
    rf"|{_CLOCK}(?=\s+\$?[A-Z]))[\s:|-]*"
)
_EVENING = re.compile(r"[T ](?:1[6-9]|2\d):\d{2}:\d{2}")
_DECORATION = re.compile(r"(?:[^\w$]+|\d{1,6}[.):\]]\s*|#?\d{1,6}\s+(?=[A-Z$]))+")
_COUNTED = re.compile(r"\s*(?:[(\[:>-]|->|→)*\s*\d+\s+\w+\s*[)\]]*\s*[:>-]*\s*")
_VALUE = r"\$?[+-]?[\d.,]*\d(?:[eE][+-]?\d+)?"
_PAIR = re.compile(
    rf"([A-Za-z][\w%/]*)(?:['\"]?\s*[=:]\s*['\"]?({_VALUE}|[A-Za-z]\w*)|\s+({_VALUE}))\s*[%$xX]?(?![\w])"
)
_DATE_LABEL = re.compile(r"\b(?:date|day|session|on|at)\b\W*$", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])[$]?([+-]?\d[\d,]*\.?\d*(?:[eE][+-]?\d+)?)[%$xX]?(?![\w.])")


@dataclass(frozen=True)
class Line:
    """A hit that a line shows; a row's own columns beside symbol and date."""

    symbol: str
    date: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass
class Lines:
    """Reads lines in turn; a heading's date or symbol holds for the lines below it.

    `as_of`: the session that the script runs as of. A time on its evening is when a line was printed.
    """

    known: Collection[str] | None = None
    as_of: date | None = None
    heading_date: str = ""
    heading_symbol: str = ""

    def read(self, line: str) -> list[Line]:
        """The hits of the next line, colours and carriage returns already gone."""
        if not line.strip() or len(line) > LONGEST:
            return []
        text = self._message(line)
        found = self._read_message(text)
        if found:
            if not self._under_heading(found):
                self.heading_date = self.heading_symbol = ""
            return found
        return self._read_heading(line, text)

    def _under_heading(self, found: list[Line]) -> bool:
        return all(one.date == self.heading_date or one.symbol == self.heading_symbol for one in found)

    def _message(self, line: str) -> str:
        """A line without what stands before its message: the log's prefix, a bullet, a number."""
        text = line.strip()
        bare = _DECORATION.sub("", text, count=1) if _DECORATION.match(text) else text
        for start in (text, bare):
            for prefix in (_LOG, _STAMP):
                if (match := prefix.match(start)) and match.end():
                    rest = start[match.end() :]
                    return _DECORATION.sub("", rest, count=1) if _DECORATION.match(rest) else rest
        return bare if not _FIND_DATE.match(text) else text

    def _read_message(self, text: str) -> list[Line]:
        if _RANGE.search(text) or _WORK.search(text):
            return []
        dates = list(_FIND_DATE.finditer(text))
        if not dates:
            return []
        if dates[0].start() == 0:
            return self._date_first(text, dates)
        if label := _LABELLED.search(text):
            symbol = self._symbol(label[1], alone=True)
            return [_line(symbol, dates[0], text, label.end())] if symbol else []
        if (first := _FIRST.match(text)) and (symbol := self._symbol(first[1], alone=True)):
            more = [*_dates_after(text, first.end())]
            if more:
                return [Line(symbol, one) for one in (first[2], *more)]
            return [_line(symbol, dates[0], text, 0)]
        beside = [match for match in _FIRST.finditer(text) if self._symbol(match[1])]
        if beside and len(text[: beside[0].start()].split()) <= 4:
            symbol = self._symbol(beside[0][1])
            at = next(one for one in dates if one.end() >= beside[0].end())
            return [_line(symbol, at, text, beside[0].end(1))] if symbol else []
        first_word = _FIND_WORD.match(text)
        if first_word and (symbol := self._symbol(first_word[0])) and dates[0].start() <= 120:
            return [_line(symbol, dates[0], text, 0)]
        return []

    def _date_first(self, text: str, dates: list[re.Match[str]]) -> list[Line]:
        if len(dates) > 1 and (behind := _FIRST.match(rest := text[dates[0].end() :].lstrip(" -|:,"))):
            # A clock's reading, and then the hit with its own date.
            symbol = self._symbol(behind[1], alone=True)
            if symbol and ":" in dates[0][0]:
                return [_line(symbol, dates[1], rest, behind.end())]
        if self._is_now(dates[0][0]):
            return []
        rest = text[dates[0].end() :]
        if symbols := self._list(rest) or self._list(_COUNTED.sub("", rest, count=1)):
            return [Line(symbol, dates[0][0]) for symbol in symbols]
        rest = rest.lstrip(" \t-|:,;>→–—•·=([{'\"")
        word = _FIND_WORD.match(rest)
        if word is None:
            label = _LABELLED.match(rest)
            symbol = self._symbol(label[1], alone=True) if label else None
            return [Line(symbol, dates[0][0], _details(rest[label.end() :]))] if label and symbol else []
        behind_word = rest[word.end() :].lstrip()
        symbol = self._symbol(word[0], alone=not re.match(r"[A-Za-z]", behind_word))
        if symbol is None and word[0] in WORDS and (second := _FIND_WORD.match(rest, word.end() + 1)):
            symbol, word = self._symbol(second[0]), second
        return [Line(symbol, dates[0][0], _details(rest[word.end() :]))] if symbol else []

    def _is_now(self, text: str) -> bool:
        clock = _EVENING.search(text)
        return clock is not None and self.as_of is not None and as_day(text) == self.as_of

    def _read_heading(self, line: str, text: str) -> list[Line]:
        """A line without a hit of its own: a heading, or a hit below one."""
        dates = _FIND_DATE.findall(text)
        around = _FIND_DATE.sub("", text) if len(dates) == 1 else text
        if len(dates) == 1 and not _RANGE.search(text):
            if self.heading_symbol and _FIND_DATE.match(text) and not _WORK.search(text):
                return [Line(self.heading_symbol, dates[0], _details(around))]
            is_heading = (
                not around.strip()
                or line.strip()[0] in "=#*-–—>▶📅"
                or re.search(r"[:=#*–—-]\s*$", line) is not None
                or re.search(r"[:(]\s*\d+\b[^:]*[):]*\s*$", around) is not None
            )
            self.heading_date, self.heading_symbol = (dates[0] if is_heading else ""), ""
            return []
        bare = text.strip().rstrip(":=-#* ")
        symbol = self._symbol(bare, alone=self.known is not None) if _FIND_WORD.fullmatch(bare) else None
        if self.heading_date:
            return self._below_date(text)
        if symbol and (text.strip().endswith(":") or line.strip()[:1] in "=#*-"):
            self.heading_symbol = symbol
        elif self.heading_symbol and text.strip() and not dates:
            self.heading_symbol = ""
        return []

    def _below_date(self, text: str) -> list[Line]:
        if symbols := self._list(text):
            return [Line(symbol, self.heading_date) for symbol in symbols]
        word = _FIND_WORD.match(text)
        symbol = self._symbol(word[0], alone=self.known is not None) if word else None
        if word is None or symbol is None or _WORK.search(text):
            if text and not re.fullmatch(r"[\W_]*", text):
                self.heading_date = ""
            return []
        rest = text[word.end() :]
        details = _details(rest)
        prose = re.findall(r"[A-Za-z]{2,}", _NUMBER.sub("", _PAIR.sub("", rest)))
        return [Line(symbol, self.heading_date, details)] if self.known is not None or len(prose) <= 2 else []

    def _list(self, text: str) -> list[str]:
        """Symbols side by side, and nothing else: `AAPL, MSFT`, `['AAPL', 'MSFT']`, `AAPL MSFT TSLA`."""
        tokens = [token for token in re.split(r"[\s,;|\[\](){}'\":>→-]+", text) if token]
        if not tokens or len(tokens) > 400:
            return []
        symbols = [self._symbol(token, alone=True) for token in tokens]
        found = [symbol for symbol in symbols if symbol]
        if len(found) < len(tokens) or (self.known is None and all(one in WORDS for one in found) and len(found) > 1):
            return []
        return found

    def _symbol(self, word: str, alone: bool = False) -> str | None:
        """The word as a symbol. `alone`: nothing but the date is beside it, so that a common word may be one."""
        word = word.removeprefix("$")
        if word in NEVER or (word in WORDS and not alone):
            return None
        if self.known is not None:
            return word if word in self.known else None
        if word in _NO_TICKERS:
            return None
        return word if TICKER.fullmatch(word) else None


#: Words that are taken for symbols only where the known symbols say so.
_NO_TICKERS = WORDS - word_set(
    "A ALL NOW LOW FAST ON IT AN BY FOR NEW TOP DAY RUN OUT OPEN HIGH MIN GAP API USA NAN NULL"
)


def _dates_after(text: str, start: int) -> list[str]:
    """Further dates right behind the first, with commas between: each is a hit."""
    found = []
    while match := _MORE_DATES.match(text, start):
        found.append(match[1])
        start = match.end()
    return found


def _line(symbol: str, at: re.Match[str], text: str, start: int) -> Line:
    """A hit with what stands between symbol and date, and behind them."""
    between = text[start : at.start()] if start < at.start() else ""
    between = re.sub(rf"^\W*{re.escape(symbol)}\b", "", between)
    between = _DATE_LABEL.sub("", between)
    return Line(symbol, at[0], _details(f"{between} , {text[max(at.end(), start) :]}"))


def _details(text: str) -> dict[str, Any]:
    """`key=value` pairs by name, further numbers as value_1, value_2, …"""
    details: dict[str, Any] = {}
    text = _FIND_DATE.sub(" ", text)
    for key, value, number in _PAIR.findall(text):
        if key.lower() not in ("date", "day", "session", "symbol", "ticker"):
            details.setdefault(key, read_cell((value or number).strip("$").replace(",", "")))
    for place, number in enumerate(_NUMBER.findall(_PAIR.sub(" ", text)), start=1):
        details[f"value_{place}"] = read_cell(number.replace(",", "").rstrip("."))
    return details
