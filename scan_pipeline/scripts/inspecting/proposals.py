"""Which of a script's constants a run could give: days and lists of symbols, wherever they stand.

What belongs here: finding them, and what is proposed for those that can be given without touching the file: what is
assigned outside functions, and defaults of argparse. What does not: giving them (`runtime/scan_pipeline_given.py`
executes what is proposed here: the two agree on what can be given).

A script that reports a range reads more than it reports: where its data begins so many days before that, it keeps
beginning as many days before (`{from-120}`).
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from scan_pipeline.scripts.inspecting.parsing import called, day_of, executed, names_of, shortened

#: Fewer symbols than this are no list of symbols.
FEWEST_SYMBOLS = 5
_SYMBOL = re.compile(r"^[A-Z]{1,5}(?:p[A-Z]?)?(?:[./-][A-Z]{1,3})?$")
#: Upper-case words that lists of columns, exchanges and settings hold.
_OTHER_WORDS = (
    "T O H L C V N VW OHLCV OPEN HIGH LOW CLOSE VOLUME VWAP DATE TIME TICKER SYMBOL NAME PRICE GAP RSI ATR SMA EMA "
    "MACD ADX MFI OBV NYSE NASDAQ AMEX ARCA BATS XNYS XNAS XASE ARCX CS ETF ADRC ADR PFD INFO DEBUG ERROR JAN FEB MAR "
    "APR MAY JUN JUL AUG SEP OCT NOV DEC MON TUE WED THU FRI SAT SUN GET POST"
)
_NOT_SYMBOLS = frozenset(_OTHER_WORDS.split())
_RANGES = {"date_range", "bdate_range", "valid_days", "sessions_in_range", "schedule"}
_NOW = {"today", "now", "utcnow"}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_BEGINS = {"start", "from", "begin", "since", "first"}
_ENDS = {"end", "to", "until", "stop", "thru", "through", "last"}
_REPORTS = {"print", "report", "show", "output", "display", "result", "results", "signal", "signals", "hits", "scan"}
_DAYS = {"date", "dates", "day", "days", "session", "sessions", "asof"}
_SYMBOLS = {"symbol", "symbols", "ticker", "tickers", "watchlist", "watch", "universe", "stocks", "names", "syms"}
#: Words that make a day something that no run should change.
_OTHERS = {"holiday", "holidays", "closed", "half", "early", "skip", "exclude", "ipo", "listing", "earnings", "expiry"}
#: Two words written as one: `STARTDATE`.
_GLUED = re.compile(r"^(start|begin|from|end|to|print|scan|show|trade|trading)(dates?|days?|from|to)$")
Role = Literal["start", "end", "print from", "print to", "day", "days", "symbols"]


@dataclass(frozen=True)
class SymbolList:
    """A list of symbols in the script. `name` is empty where it has none."""

    name: str
    line: int
    count: int


@dataclass(frozen=True)
class DateUse:
    """A day, a range of days or the clock in the script: its text, its line."""

    text: str
    line: int


@dataclass(frozen=True)
class Proposal:
    """A value that a run could give: `present` is the script's own text, `proposed` a sidecar's value."""

    name: str
    line: int
    where: Literal["module", "main guard", "argparse"]
    present: str
    proposed: str


@dataclass(frozen=True)
class _Candidate:
    name: str
    node: ast.expr | None
    line: int
    where: Literal["module", "main guard", "argparse"]
    role: Role


def find_symbol_lists(tree: ast.Module) -> tuple[SymbolList, ...]:
    """Every list, tuple, set or mapping of symbols, and texts that are split into symbols, wherever they are."""
    names = {}
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and value is not None:
            for one in ast.walk(value):
                names[id(one)] = next(iter(names_of([target for target in targets if target])), "")
    found = []
    inside: set[int] = set()
    for node in ast.walk(tree):
        if id(node) not in inside and (symbols := _symbols_of(node)):
            inside |= {id(one) for one in ast.walk(node)}
            found.append(SymbolList(names.get(id(node), ""), node.lineno, len(symbols)))  # type: ignore[attr-defined]
    return tuple(sorted(found, key=lambda one: one.line))


def find_dates(tree: ast.Module) -> tuple[DateUse, ...]:
    """Every constant day, range of days and use of the clock, wherever it is."""
    found: dict[DateUse, None] = {}
    inside: set[int] = set()
    for node in ast.walk(tree):
        is_call = isinstance(node, ast.Call) and called(node) in _RANGES | _NOW
        if id(node) not in inside and (is_call or day_of(node) is not None):
            if day_of(node) is not None:
                inside |= {id(one) for one in ast.walk(node)}
            found[DateUse(shortened(node), node.lineno)] = None  # type: ignore[attr-defined]
    return tuple(sorted(found, key=lambda one: one.line))


def find_proposals(tree: ast.Module) -> tuple[Proposal, ...]:
    """What a run could give, in the order of the script. Nothing is proposed that would change more than a constant."""
    candidates = [*_assigned(tree), *_options(tree)]
    days = {one.role: day for one in reversed(candidates) if (day := day_of(one.node))}
    roles = {one.role for one in candidates}
    return tuple(
        Proposal(one.name, one.line, one.where, _present(one.node), _proposed(one.role, roles, days))
        for one in sorted(candidates, key=lambda one: one.line)
    )


def _assigned(tree: ast.Module) -> Iterator[_Candidate]:
    """Names that are assigned outside functions, each time a constant; all assignments of a name are given alike."""
    candidates: dict[str, _Candidate] = {}
    spoilt: set[str] = set()
    for node, where in executed(tree):
        if isinstance(node, ast.AnnAssign):
            targets: list[ast.expr] = [node.target]
        elif isinstance(node, ast.Assign):
            targets = node.targets
        else:
            if isinstance(node, ast.AugAssign | ast.NamedExpr | ast.For | ast.AsyncFor):
                spoilt.update(names_of([node.target]))
            continue
        if node.value is None:
            continue
        for target in targets:
            if not isinstance(target, ast.Name):
                spoilt.update(names_of([target]))
            elif role := _role(target.id, node.value):
                candidates[target.id] = _Candidate(target.id, node.value, node.lineno, where, role)
            elif not _is_placeholder(node.value):
                spoilt.add(target.id)
    yield from (one for name, one in candidates.items() if name not in spoilt)


def _options(tree: ast.Module) -> Iterator[_Candidate]:
    """Options of argparse whose default is a constant day, or that must be given."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or called(node) != "add_argument":
            continue
        flags = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        given = {one.arg: one.value for one in node.keywords}
        if not flags or "action" in given or "nargs" in given:
            continue
        name = max(flags, key=lambda flag: (flag.startswith("--"), len(flag)))
        required = given.get("required")
        is_needed = not name.startswith("-") or (isinstance(required, ast.Constant) and required.value is True)
        default = given.get("default")
        role = _role(name, default) if default is not None else _role_of_day(name) if is_needed else None
        if role and role not in ("days", "symbols"):
            yield _Candidate(name, default, node.lineno, "argparse", role)


def _role(name: str, value: ast.expr) -> Role | None:
    """What a constant is for, by its name; None for what is no constant that a run could give."""
    words = _words(name)
    if _symbols_of(value) and isinstance(value, ast.List | ast.Tuple | ast.Set | ast.Call):
        return "symbols" if words & _SYMBOLS and not words & _OTHERS else None
    if isinstance(value, ast.List | ast.Tuple | ast.Set):
        is_days = value.elts and all(day_of(one) is not None for one in value.elts)
        return "days" if is_days and words & _DAYS and not words & _OTHERS else None
    return _role_of_day(name) if day_of(value) is not None else None


def _role_of_day(name: str) -> Role | None:
    words = _words(name)
    if words & _OTHERS:
        return None
    if words & _REPORTS and words & _BEGINS:
        return "print from"
    if words & _REPORTS and words & _ENDS:
        return "print to"
    if words & _BEGINS:
        return "start"
    if words & _ENDS:
        return "end"
    return "day" if words & (_DAYS | {"today"}) or {"as", "of"} <= words else None


def _proposed(role: Role, roles: set[Role], days: dict[Role, date]) -> str:
    is_range = bool(roles & {"start", "print from", "days"})
    if role in ("end", "print to"):
        return "{to}" if is_range else "{session}"
    if role == "start":
        until = days.get("print from") or days.get("end")
        before = (until - days["start"]).days if until and "start" in days else 0
        return f"{{from-{before}}}" if before > 0 else "{from}"
    return {"print from": "{from}", "day": "{session}", "days": "{sessions}", "symbols": "{symbols}"}[role]


def _symbols_of(node: ast.AST) -> list[str]:
    """The symbols that a literal holds, where nearly all of it looks like symbols; a few lower-case ones are typing."""
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        values = [one.value for one in node.elts if isinstance(one, ast.Constant)]
    elif isinstance(node, ast.Dict):
        values = [one.value for one in node.keys if isinstance(one, ast.Constant)]
    elif called(node) == "split" and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        text = node.func.value.value if isinstance(node.func.value, ast.Constant) else None
        values = list(re.split(r"[,\s]+", text.strip())) if isinstance(text, str) else []
    else:
        return []
    texts = [one.strip() for one in values if isinstance(one, str)]
    symbols = [one for one in texts if _SYMBOL.match(one)]
    if len(symbols) < FEWEST_SYMBOLS or len(symbols) < 0.9 * len(values):
        return []
    return [] if len(set(symbols) - _NOT_SYMBOLS) < len(set(symbols)) / 2 else symbols


def _present(node: ast.expr | None) -> str:
    if node is None:
        return "must be given"
    if isinstance(node, ast.List | ast.Tuple | ast.Set) and len(node.elts) > 3:
        return f"{shortened(node.elts[0])} and {len(node.elts) - 1} more"
    if symbols := _symbols_of(node):
        return f"{symbols[0]!r} and {len(symbols) - 1} more"
    return shortened(node)


def _is_placeholder(node: ast.expr) -> bool:
    """Whether a value only makes room for another: nothing is lost when it is given too."""
    if isinstance(node, ast.Constant):
        return node.value in (None, "")
    if isinstance(node, ast.List | ast.Tuple):
        return not node.elts
    value = node.value if isinstance(node, ast.Subscript) else None
    return isinstance(value, ast.Attribute) and value.attr == "argv"


def _words(name: str) -> set[str]:
    found: set[str] = set()
    for word in _WORD.findall(name):
        glued = _GLUED.match(word.lower())
        found |= set(glued.groups()) if glued else {word.lower()}
    return found
