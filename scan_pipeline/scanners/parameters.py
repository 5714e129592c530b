"""Parameters of scanners: numbers that a person turns, with a default in the file and another value for a run.

In SQL, `-- param: min_gap = 4` declares one, and `$min_gap` stands for it in the select and in the rank. What belongs
here: declaring, overriding and filling in. What does not: where overrides come from (the Launchpad, `--param`).
"""

import math
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

import duckdb

from scan_pipeline.errors import ScannerError

#: Values by name.
Parameters = Mapping[str, float]

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_DECLARATION = re.compile(rf"^([a-z][a-z0-9_]*)\s*=\s*({_NUMBER})$")


def declared(text: str) -> tuple[str, float]:
    """`min_gap = 4` as name and number; whole numbers stay whole. Raises ValueError with what was expected."""
    found = _DECLARATION.match(text)
    if not found:
        raise ValueError(f"a parameter is `name = number`, found '{text}'")
    return found[1], number(found[2])


def number(text: str) -> float:
    """A number as it is written, whole where it is; raises ValueError for anything else."""
    if not re.fullmatch(_NUMBER, text.strip()):
        raise ValueError(f"'{text}' is not a number")
    if not math.isfinite(float(text)):
        raise ValueError(f"'{text}' is too large a number")
    return int(text) if re.fullmatch(r"[+-]?\d+", text.strip()) else float(text)


def overridden(scanner: str, parameters: Parameters, overrides: Parameters) -> dict[str, float]:
    """The scanner's parameters with other values for some. Raises ScannerError for one that it does not have."""
    for name in overrides:
        if name not in parameters:
            near = get_close_matches(name, parameters, n=1)
            has = f"It has {', '.join(parameters)}" if parameters else "It has none: declare it with `-- param:`"
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ScannerError(f"The scanner {scanner} has no parameter {name}. {has}.{hint}")
    return {**parameters, **overrides}


def fill_in(text: str, parameters: Parameters) -> str:
    """SQL with a number in place of each `$name`; what stands in comments and strings stays.

    Raises ScannerError for a name that is not declared, with the line.
    """
    encoded = text.encode()
    for start, end in reversed([*_places(text)]):
        name = encoded[start + 1 : end].decode().lower()
        if name not in parameters:
            line = encoded[:start].count(b"\n") + 1
            raise ScannerError(
                f"line {line}: there is no parameter ${name}. Declare it at the file's head: `-- param: {name} = 1`"
            )
        encoded = encoded[:start] + literal(parameters[name]).encode() + encoded[end:]
    return encoded.decode()


def literal(value: float) -> str:
    """A number as SQL, in brackets where a sign could change what stands before it."""
    return f"({value!r})" if value < 0 else repr(value)


def _places(text: str) -> Iterable[tuple[int, int]]:
    """Where `$name` stands, in bytes. DuckDB's tokens tell strings, comments and quoted names from the rest."""
    encoded = text.encode()
    for start, kind in duckdb.tokenize(text):
        # A parameter may be named like a word of SQL.
        is_word = kind in (duckdb.token_type.identifier, duckdb.token_type.keyword)
        if is_word and encoded[start - 1 : start] == b"$":
            name = re.match(rb"[A-Za-z0-9_]+", encoded[start:])
            if name:
                yield start - 1, start + name.end()
