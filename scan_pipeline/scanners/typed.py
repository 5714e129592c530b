"""Parameters as a person types them: `min_gap=5`, `min_gap=2,4,6`, `gap_and_go.min_gap=5`.

What belongs here: text to values of the scanner's kinds, and their combinations. What does not: which parameters a
scanner has and what its values may be (`registry.py`, `python/library.py`).
"""

from collections.abc import Mapping, Sequence
from itertools import product

from scan_pipeline.errors import ScannerError
from scan_pipeline.scanners.parameters import number
from scan_pipeline.scanners.python.authoring import Value
from scan_pipeline.scanners.python.library import PythonScanner
from scan_pipeline.scanners.registry import SqlScanner

#: Either kind.
Scanner = SqlScanner | PythonScanner


def with_values(scanner: Scanner, values: Mapping[str, Value]) -> Scanner:
    """The scanner with other values for some parameters. Raises ScannerError for one that it has not."""
    if isinstance(scanner, PythonScanner):
        return scanner.with_parameters(values)
    return scanner.with_parameters({name: float_of(scanner, name, value) for name, value in values.items()})


def float_of(scanner: SqlScanner, name: str, value: Value) -> float:
    """The value, which in SQL is a number. Raises ScannerError for another."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScannerError(f"The parameter {name} of {scanner.name} is a number, not {value!r}.")
    return value


def one_value_each(scanner: Scanner, texts: Sequence[str]) -> dict[str, Value]:
    """`["min_gap=5"]` as values by name. Raises ScannerError, in words."""
    values = {}
    for text in texts:
        name, written = _split(text, "min_gap=5")
        values[name] = _value(scanner, name, written)
    return values


def several_values_each(scanner: Scanner, texts: Sequence[str]) -> dict[str, list[Value]]:
    """`["min_gap=2,4,6"]` as lists of values by name, each value once. Raises ScannerError, in words."""
    values = {}
    for text in texts:
        name, written = _split(text, "min_gap=2,4,6")
        values[name] = list(dict.fromkeys(_value(scanner, name, one) for one in written.split(",")))
    return values


def combinations(values: Mapping[str, Sequence[Value]]) -> list[dict[str, Value]]:
    """Every combination of one value of each parameter; the last parameter changes first."""
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]


def by_scanner(scanners: Sequence[Scanner], texts: Sequence[str]) -> dict[str, dict[str, Value]]:
    """`["gap_and_go.min_gap=5"]` as values by scanner and name. Raises ScannerError for what is not there."""
    known = {one.name: one for one in scanners}
    values: dict[str, dict[str, Value]] = {}
    for text in texts:
        where, written = _split(text, "gap_and_go.min_gap=5")
        scanner, dot, name = where.partition(".")
        if not dot or not name:
            raise ScannerError(f"--param {text}: say whose it is: `SCANNER.NAME=VALUE`, as in gap_and_go.min_gap=5.")
        if scanner not in known:
            raise ScannerError(f"There is no scanner {scanner}. There are {', '.join(sorted(known))}.")
        values.setdefault(scanner, {})[name] = _value(known[scanner], name, written)
    return values


def _split(text: str, example: str) -> tuple[str, str]:
    name, equals, written = text.partition("=")
    if not equals or not name.strip() or not written.strip():
        raise ScannerError(f"--param {text}: expected a name, `=` and a value, as in {example}.")
    return name.strip(), written.strip()


def _value(scanner: Scanner, name: str, text: str) -> Value:
    """The text as a value of the kind of the parameter's default."""
    default = scanner.parameters.get(name)
    if default is None:
        with_values(scanner, {name: 0})  # raises, with the names that there are
    if isinstance(default, str):
        return text
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise ScannerError(f"The parameter {name} of {scanner.name} is true or false, not '{text}'.")
        return text.lower() == "true"
    try:
        return number(text)
    except ValueError as error:
        raise ScannerError(f"The parameter {name} of {scanner.name} is a number: {error}.") from error
