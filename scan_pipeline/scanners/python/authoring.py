"""What a user writes: `@scanner(…)` above a function of bars.

    from scan_pipeline import scanner

    @scanner(lookback=20, rank="gap desc", limit=50, title="Gaps out of a quiet month")
    def quiet_gap(bars: pd.DataFrame, *, min_gap: float = 4) -> pd.DataFrame: ...

What belongs here: the declaration and its faults. What does not: finding files, which reads declarations without
running them (`library.py`), and calling the function (`calls.py`). Light: it is imported by whoever imports a scanner.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

Scope = Literal["symbol", "universe"]
Function = TypeVar("Function", bound=Callable[..., Any])
#: What a parameter may be.
Value = int | float | str | bool
#: The attribute of the function that carries its declaration.
MARK = "__scan_pipeline__"
#: The most bars before the as-of one that a scanner may ask for: ten years.
MOST_LOOKBACK = 2_520


@dataclass(frozen=True)
class Declaration:
    """What the decorator says: `lookback` bars before the as-of one are read; `rank` is SQL over the hits' columns;
    `limit` hits are kept a session (None: all). Scope `symbol`: the function is given one symbol's bars; `universe`:
    those of all symbols that passed the screen.
    """

    lookback: int
    rank: str = ""
    limit: int | None = None
    title: str = ""
    scope: Scope = "symbol"

    def faults(self) -> list[str]:
        """What is wrong with it, in words; nothing where it can be used."""
        found = []
        if type(self.lookback) is not int or not 0 <= self.lookback <= MOST_LOOKBACK:
            found.append(
                f"lookback must be a whole number of bars from 0 to {MOST_LOOKBACK:,}, found {self.lookback!r}"
            )
        if self.limit is not None and (type(self.limit) is not int or self.limit < 1):
            found.append(f"limit must be a whole number above 0, found {self.limit!r}")
        if self.scope not in get_args(Scope):
            found.append(f"scope must be one of {', '.join(map(repr, get_args(Scope)))}, found {self.scope!r}")
        found += [
            f"{name} must be text, found {value!r}"
            for name, value in (("rank", self.rank), ("title", self.title))
            if not isinstance(value, str)
        ]
        return found


def scanner(
    *,
    lookback: int,
    rank: str = "",
    limit: int | None = None,
    title: str = "",
    scope: Scope = "symbol",
) -> Callable[[Function], Function]:
    """Declare a function to be a scanner; the function itself stays as it is. One a file.

    `lookback`: how many bars before a bar decide about it, so many are read. `rank`: the order of hits, SQL over the
    columns that the function returns (`"gap desc, volume"`). `limit`: hits kept a session.

    With scope `symbol` the function is called with a pandas DataFrame of one symbol's bars, `open`, `high`, `low`,
    `close` (dollars) and `volume` (shares), split-adjusted as known on the session that is scanned, indexed by
    `session`, oldest first; `bars.attrs["symbol"]` is its name. It answers for every bar at once: with a Series of
    booleans, or a DataFrame of the bars that are hits, whose columns are its own. With scope `universe` it is called
    once a session, with the bars up to that session of all symbols that passed the screen, one below the other with the
    columns `session` and `symbol`, and returns a DataFrame of hits with these two columns and its own.

    Keyword-only arguments with defaults are parameters. Raises ValueError for a declaration that cannot be used.
    """
    declaration = Declaration(lookback, rank, limit, title, scope)
    if faults := declaration.faults():
        raise ValueError(f"@scanner: {'; '.join(faults)}")

    def declare(function: Function) -> Function:
        setattr(function, MARK, declaration)
        return function

    return declare
