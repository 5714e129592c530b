"""What a scanner's function returned, as hits; or why it cannot be used, in words for whoever wrote it.

Runs in the worker, with pandas. What belongs here: types, indexes and values of what is returned. What does not:
calling the function (`worker.py`), and which hits count.
"""

import math
from datetime import date, datetime
from typing import Any

import numpy as np

#: Of a bar that a Series of booleans marks, what is shown and can be ranked by.
SHOWN = ("close", "volume")
#: A hit: position in the bars, and its own columns.
Found = list[tuple[int, dict[str, Any]]]


class Refused(Exception):
    """What was returned cannot be used; the message says why, and what to return."""


def hits_of_symbol(returned: Any, bars: Any, counts: Any) -> Found:
    """The hits among one symbol's bars; `counts[bar]`: whether a hit there counts. Raises Refused."""
    import pandas as pd

    if isinstance(returned, pd.Series):
        marked = _marked(returned)
        places = _places(returned.index, bars.index)[marked]
        return _of_bars(bars, [int(place) for place in places if counts[place]])
    if not isinstance(returned, pd.DataFrame):
        raise Refused(_not_usable(returned, "a DataFrame of hits or a Series of booleans, indexed like the bars"))
    if returned.empty:
        return []
    _refuse_columns(returned, ("session", "symbol"), "its index says the session; drop the column, or rename it")
    places = _places(returned.index, bars.index)
    rows = np.flatnonzero(counts[places])
    return list(zip(places[rows].tolist(), _details(returned.iloc[rows]), strict=True))


def hits_of_session(returned: Any, bars: Any, session: Any) -> list[tuple[str, dict[str, Any]]]:
    """The hits on the session among all symbols' bars, `session` and `symbol` as columns; raises Refused."""
    import pandas as pd

    newest = bars["session"].to_numpy() == session.to_datetime64()
    if isinstance(returned, pd.Series) and returned.index.equals(bars.index):
        rows = np.flatnonzero(_marked(returned) & newest)
        return [(bars["symbol"].iloc[place], details) for place, details in _of_bars(bars, rows.tolist())]
    if not isinstance(returned, pd.DataFrame):
        raise Refused(_not_usable(returned, "a DataFrame of hits with the columns session and symbol"))
    if returned.empty:
        return []
    if {"session", "symbol"} & set(returned.index.names):
        returned = returned.reset_index([name for name in ("session", "symbol") if name in returned.index.names])
    missing = [name for name in ("session", "symbol") if name not in returned.columns]
    if missing:
        raise Refused(
            f"it returned no column {' or '.join(missing)}; there are {', '.join(map(str, returned.columns))}. Keep "
            "those of the bars."
        )
    _refuse_columns(returned, (), "")
    try:
        days = pd.to_datetime(returned["session"], format="ISO8601").to_numpy()
    except (ValueError, TypeError) as error:
        raise Refused(f"its column session holds no dates ({error}). Keep that of the bars.") from error
    strange = ~np.isin(days, bars["session"].unique())
    if strange.any():
        raise Refused(f"it returned a hit on {_day(days[strange][0])}, of which it was given no bar.")
    hits = returned[days == session.to_datetime64()]
    symbols, known = hits["symbol"].tolist(), set(bars["symbol"].to_numpy()[newest])
    for symbol in symbols:
        if symbol not in known:
            raise Refused(
                f"it returned a hit of {symbol!r}, which has no bar on {_day(session)}. Keep the bars' symbols."
            )
    if len(set(symbols)) < len(symbols):
        twice = next(symbol for symbol in symbols if symbols.count(symbol) > 1)
        raise Refused(f"it returned {twice} more than once on {_day(session)}. Return one row a symbol and session.")
    return list(zip(symbols, _details(hits.drop(columns=["session", "symbol"])), strict=True))


def _marked(returned: Any) -> Any:
    """A Series of booleans as an array; what is unknown is no hit."""
    import pandas as pd

    if returned.dtype == bool:
        return returned.to_numpy()
    if isinstance(returned.dtype, pd.BooleanDtype):
        return returned.fillna(False).to_numpy(dtype=bool)
    if returned.dtype == object and all(one is True or one is False or pd.isna(one) for one in returned):
        return np.array([one is True for one in returned], dtype=bool)  # what shift() makes of booleans
    raise Refused(
        f"it returned a Series of {returned.dtype}, not of booleans. Compare it with something: `… > 0`, or return a "
        "DataFrame to show numbers."
    )


def _places(index: Any, of_bars: Any) -> Any:
    """The positions in the bars of what is indexed so."""
    import pandas as pd

    if index is of_bars or index.equals(of_bars):
        return np.arange(len(of_bars))
    if not isinstance(index, pd.DatetimeIndex):
        raise Refused(
            f"what it returned is indexed by {type(index).__name__} of {index.dtype}, not by session. Keep the index "
            "of the bars: no reset_index, or set_index('session') at the end."
        )
    places = of_bars.get_indexer(index)
    if (places < 0).any():
        raise Refused(
            f"it returned a hit on {_day(index[places < 0][0])}, of which it was given no bar. "
            "Return sessions of the bars."
        )
    if len(set(places.tolist())) < len(places):
        raise Refused(f"it returned {_day(index[index.duplicated()][0])} more than once. Return one row a session.")
    return places


def _of_bars(bars: Any, places: list[int]) -> Found:
    shown = [bars[name].to_numpy() for name in SHOWN]
    return [
        (place, {name: _plain(values[place].item(), name) for name, values in zip(SHOWN, shown, strict=True)})
        for place in places
    ]


def _refuse_columns(returned: Any, reserved: tuple[str, ...], remedy: str) -> None:
    names = list(returned.columns)
    for name in names:
        if not isinstance(name, str):
            raise Refused(f"it returned a column named {name!r}; names are text. Rename it.")
        if name.lower() in reserved:
            raise Refused(f"it returned a column {name}; {remedy}.")
        if sum(name.lower() == str(other).lower() for other in names) > 1:
            raise Refused(f"it returned two columns {name}. Rename one.")


def _details(hits: Any) -> list[dict[str, Any]]:
    """The rows' own columns, in values that JSON has."""
    columns = {name: [_plain(value, name) for value in hits[name].tolist()] for name in hits.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)] or [{}] * len(hits)


def _plain(value: Any, name: str) -> Any:
    import pandas as pd

    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.generic):
        return _plain(value.item(), name)
    if value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, datetime):
        return value.isoformat() if value.time() != datetime.min.time() or value.tzinfo else value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise Refused(f"its column {name} holds a {type(value).__name__}. Columns are numbers, text, booleans or dates.")


def _not_usable(returned: Any, wanted: str) -> str:
    if returned is None:
        return f"it returned nothing. Is a `return` missing? Return {wanted}."
    if isinstance(returned, np.ndarray):
        return "it returned an array. Give it the bars' index: `pd.Series(found, index=bars.index)`."
    return f"it returned a {type(returned).__name__}. Return {wanted}."


def _day(session: Any) -> str:
    import pandas as pd

    return str(pd.Timestamp(session).date())
