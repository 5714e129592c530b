"""The language of features: `ta.rsi(close, 14)`, `ta.sma(high - low, 14) / atr_14`, `weekly.rsi(14)`.

One language for entries of the catalogue, for SQL scanners and for documentation:

    ta.rsi(close, 14)              an indicator: inputs first (none, or all), then parameters, by position or name
    ta.macd(12, 26, 9).macdsignal  one of its outputs; without, the first
    weekly.rsi(14)  weekly.close   on closed weeks (monthly: months); inside, names are the week's open … volume
    high - low, atr_14, 2 * close  + − × / and numbers, over columns of bars and any name of the catalogue

A name in capitals means the same in small letters. Every expression has a canonical text, with defaults filled in and
one spacing: what means the same is called the same, and computed once a block.

What belongs here: reading the text, checking it in words, and composing lookback, unit and computation. What does not:
indicators (`all_indicators.py`), weeks and months (`periods.py`), entries (`catalogue.py`).
"""

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property, lru_cache
from typing import Any, get_args

import numpy as np

from scan_pipeline.errors import ScanPipelineError
from scan_pipeline.features import periods
from scan_pipeline.features.all_indicators import INDICATORS
from scan_pipeline.features.bars import BENCHMARK, PRICE_COLUMNS, BarBlock, Floats
from scan_pipeline.features.feature import Feature
from scan_pipeline.features.indicator import AS_INPUT, SCALES, Indicator, Unit
from scan_pipeline.features.indicators import ratio
from scan_pipeline.features.periods import Period

#: The columns of bars that an expression may name, and what they measure.
COLUMNS: Mapping[str, Unit] = {**dict.fromkeys(PRICE_COLUMNS, "dollars"), "volume": "shares", BENCHMARK: "index"}

#: The names that an expression may use beside columns. `catalogue.py` fills it in, with all of its entries; whoever
#: reads expressions that may name them imports it too.
ENTRIES: dict[str, Feature] = {}

_OPERATORS: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_ATOM, _UNARY, _PRODUCT, _SUM = 3, 2, 1, 0
_DAILY = "ta"
#: No period, price or number of shares is as large; TA-Lib's whole numbers end before.
_TOO_LARGE = 1e15


class ExpressionError(ScanPipelineError):
    """A text that is no feature: the message says what is wrong with it and what there is instead."""


def parse(text: str) -> Feature:
    """The feature that an expression means. Its name is the canonical text; a name of the catalogue is that entry.

    Raises ExpressionError.
    """
    entry = ENTRIES.get(text.strip().lower())
    return entry if entry is not None else _parse(text.strip())


def named(
    name: str,
    expression: str,
    *,
    formula: str | None = None,
    source: str | None = None,
    unit: Unit | None = None,
    lookback: int | None = None,
) -> Feature:
    """An entry of the catalogue that is made of an expression: what is not given follows from the expression.

    It is read when it is first asked for: entries that nobody asks for cost nothing.
    """
    return _Named(name, expression, formula, source, unit, lookback)


class _Named(Feature):
    """A feature whose properties are those of its expression, unless they are given."""

    def __init__(
        self,
        name: str,
        expression: str,
        formula: str | None,
        source: str | None,
        unit: Unit | None,
        lookback: int | None,
    ) -> None:
        given = {"formula": formula, "source": source, "unit": unit, "lookback": lookback}
        self.__dict__.update({key: value for key, value in given.items() if value is not None})
        self.__dict__.update(name=name, expression=expression, _compute=lambda block: self.meaning.compute(block))

    expression: str

    @cached_property
    def meaning(self) -> Feature:
        return parse(self.expression)

    @cached_property
    def formula(self) -> str:
        return self.meaning.name

    @cached_property
    def source(self) -> str:
        return self.meaning.source

    @cached_property
    def unit(self) -> Unit:
        return self.meaning.unit

    @cached_property
    def lookback(self) -> int:
        return self.meaning.lookback

    @cached_property
    def needs_benchmark(self) -> bool:
        return self.meaning.needs_benchmark

    @cached_property
    def is_path_dependent(self) -> bool:
        return self.meaning.is_path_dependent

    def __repr__(self) -> str:
        return f"named({self.name!r}, {self.expression!r})"

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass(frozen=True)
class _Node:
    """A part of an expression. `number` is set where it is a constant; `value` is of all bars otherwise."""

    text: str
    strength: int
    unit: Unit
    value: Callable[[BarBlock], Floats]
    lookback: int = 0
    sources: tuple[str, ...] = ()
    needs_benchmark: bool = False
    is_path_dependent: bool = False
    number: float | None = None
    title: str = field(default="", compare=False)

    def within(self, strength: int) -> str:
        """The text, in brackets where the operator around it binds at least as strongly."""
        return self.text if self.strength > strength else f"({self.text})"


@lru_cache(maxsize=4096)
def _parse(text: str) -> Feature:
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f" at character {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
        reason = error.msg if isinstance(error, SyntaxError) else "it is too deeply nested, or holds null bytes"
        raise ExpressionError(
            f"'{text}' is no expression{where}: {reason}. Write one as ta.rsi(close, 14) / ta.sma(close, 50)."
        ) from None
    node = _Reader(text, _DAILY).read(tree)
    if node.number is not None:
        raise ExpressionError(f"'{text}' is a number, and the same for every bar: name a column or an indicator.")
    return Feature(
        name=node.text,
        formula=node.title or node.text,
        source=", ".join(node.sources) or "price_bars",
        unit=node.unit,
        lookback=node.lookback,
        _compute=node.value,
        needs_benchmark=node.needs_benchmark,
        is_path_dependent=node.is_path_dependent,
    )


@dataclass(frozen=True)
class _Reader:
    """Reads parts of `whole` (for messages) on daily bars (`ta`), or on those of weeks or months."""

    whole: str
    family: str

    def read(self, part: ast.expr) -> _Node:
        match part:
            case ast.Constant(value=bool()):
                pass
            case ast.Constant(value=int() | float() as number):
                if not abs(number) < _TOO_LARGE:
                    raise self._error(f"{ast.unparse(part)} is too large a number")
                return _constant(number)
            case ast.UnaryOp(op=ast.UAdd()):
                return self.read(part.operand)
            case ast.UnaryOp(op=ast.USub()):
                return _negative(self.read(part.operand))
            case ast.BinOp() if type(part.op) in _OPERATORS:
                return _arithmetic(_OPERATORS[type(part.op)], self.read(part.left), self.read(part.right))
            case ast.Name():
                return self._name(part.id)
            case ast.Call():
                return self._call(part, None)
            case ast.Attribute(value=ast.Call() as call):
                return self._call(call, part.attr)
            case ast.Attribute(value=ast.Name(id=family), attr=column) if self._is_family(family):
                return self._column_of(family.lower(), column)
        raise self._error(
            f"'{ast.unparse(part)}' is not of the language, which has names, numbers, + - * /, and calls as "
            "ta.rsi(close, 14), weekly.rsi(14), ta.macd(close).macdsignal"
        )

    def _error(self, reason: str) -> ExpressionError:
        return ExpressionError(f"{self.whole}: {reason}.")

    def _is_family(self, name: str) -> bool:
        return name.lower() in (_DAILY, *get_args(Period))

    def _name(self, name: str) -> _Node:
        lower = name.lower()
        if lower in COLUMNS:
            return _Node(
                lower, _ATOM, COLUMNS[lower], lambda block: block[lower], needs_benchmark=lower == BENCHMARK,
                title=f"the bar's {lower}",
            )  # fmt: skip
        if lower not in ENTRIES:
            raise self._error(_unknown(f"there is no feature '{name}'", lower, (*COLUMNS, *ENTRIES)))
        if self.family != _DAILY:
            raise self._error(
                f"'{name}' is of days, and {self.family}.…(…) takes what is of its own bars: {', '.join(COLUMNS)}, "
                f"and {self.family}.…(…)"
            )
        entry = ENTRIES[lower]
        return _Node(
            lower, _ATOM, entry.unit, entry.compute, entry.lookback, (entry.source,), entry.needs_benchmark,
            entry.is_path_dependent, title=entry.formula,
        )  # fmt: skip

    def _column_of(self, family: str, name: str) -> _Node:
        """`weekly.close`."""
        if name.lower() in COLUMNS and family != _DAILY:
            node = self._inside(family)._name(name)
            return self._seen_daily(family, node, f"{family}.{node.text}")
        if name.lower() in INDICATORS:
            raise self._error(f"{family}.{name} is a function: write {_signature(family, INDICATORS[name.lower()])}")
        raise self._error(_unknown(f"there is no {family}.{name}", name.lower(), (*INDICATORS, *COLUMNS)))

    def _inside(self, family: str) -> "_Reader":
        """What reads the arguments of a call of that family."""
        if self.family not in (family, _DAILY):
            raise self._error(f"inside {self.family}.…(…), {family}.…(…) has no bars: write {self.family}.…(…)")
        return _Reader(self.whole, family)

    def _seen_daily(self, family: str, node: _Node, text: str) -> _Node:
        """A value of weeks or months, as each day sees it; inside a call of its own family, as it is."""
        if family == self.family or family == _DAILY:
            return node
        period: Period = "weekly" if family == "weekly" else "monthly"
        value = node.value
        return _Node(
            text, _ATOM, node.unit,
            lambda block: periods.spread(block, period, value(periods.bars_of(block, period))),
            periods.lookback(period, node.lookback), node.sources, node.needs_benchmark, node.is_path_dependent,
            title=f"{node.title}, of the last closed {period.removesuffix('ly')}",
        )  # fmt: skip

    def _call(self, call: ast.Call, output: str | None) -> _Node:
        match call.func:
            case ast.Attribute(value=ast.Name(id=family), attr=name) if self._is_family(family):
                family = family.lower()
            case _:
                called = ast.unparse(call.func)
                hint = f": write ta.{called}(…)" if called.lower() in INDICATORS else ""
                raise self._error(f"there is no function '{called}'{hint}; functions are ta.…, weekly.… and monthly.…")
        if name.lower() not in INDICATORS:
            raise self._error(_unknown(f"there is no {family}.{name}", name.lower(), INDICATORS))
        indicator = INDICATORS[name.lower()]
        inside = self._inside(family)
        inputs, values = inside._arguments(family, indicator, call)
        place = self._output(family, indicator, output)
        return self._seen_daily(family, *_indicated(family, indicator, inputs, values, place, self._error))

    def _arguments(self, family: str, indicator: Indicator, call: ast.Call) -> tuple[list[_Node], dict[str, float]]:
        """The inputs and the parameters of a call, defaults filled in."""
        signature = _signature(family, indicator)
        given = [self.read(argument) for argument in call.args]
        inputs = [node for node in given if node.number is None]
        numbers = [node for node in given if node.number is not None]
        if given[: len(inputs)] != inputs:
            raise self._error(f"series come before numbers: {signature}")
        if not inputs:
            missing = [column for column in indicator.inputs if column not in COLUMNS]
            if missing:
                raise self._error(f"{' and '.join(missing)} has no default: name all inputs: {signature}")
            inputs = [self._name(column) for column in indicator.inputs]
        if len(inputs) != len(indicator.inputs):
            raise self._error(
                f"{family}.{indicator.name} takes {len(indicator.inputs)} series or none "
                f"({', '.join(indicator.inputs)}), not {len(inputs)}: {signature}"
            )
        names = list(indicator.parameters)
        if len(numbers) > len(names):
            takes = f"at most {len(names)} parameters" if names else "no parameters"
            raise self._error(f"{family}.{indicator.name} takes {takes}, not {len(numbers)}: {signature}")
        named_values = [*zip(names, numbers, strict=False)]
        for keyword in call.keywords:
            if keyword.arg is None or keyword.arg.lower() not in names:
                raise self._error(_unknown(f"{family}.{indicator.name} has no parameter '{keyword.arg}'",
                                           (keyword.arg or "").lower(), names))  # fmt: skip
            named_values.append((keyword.arg.lower(), self.read(keyword.value)))
        values = dict(indicator.parameters)
        taken: set[str] = set()
        for name, node in named_values:
            if name in taken:
                raise self._error(f"{name} is given twice")
            taken.add(name)
            values[name] = self._parameter(name, node, indicator.parameters[name])
        return inputs, values

    def _parameter(self, name: str, node: _Node, default: float) -> float:
        if node.number is None:
            raise self._error(f"{name} is a number, not a series ({node.text})")
        if isinstance(default, int):
            if node.number != int(node.number):
                raise self._error(f"{name} is a whole number, not {node.text}")
            return int(node.number)
        return float(node.number)

    def _output(self, family: str, indicator: Indicator, output: str | None) -> int:
        if output is None:
            return 0
        if output.lower() not in indicator.outputs:
            there_are = ", ".join(indicator.outputs)
            raise self._error(f"{family}.{indicator.name} has no output '{output}'; it has {there_are}")
        return indicator.outputs.index(output.lower())


def _indicated(
    family: str,
    indicator: Indicator,
    inputs: list[_Node],
    parameters: dict[str, float],
    place: int,
    error: Callable[[str], ExpressionError],
) -> tuple[_Node, str]:
    """A call of an indicator on bars of its own family, and its text."""
    arguments = [node.text for node in inputs] + [_number(value) for value in parameters.values()]
    whole = f"{family}.{indicator.name}({', '.join(arguments)})"
    try:
        lookback = indicator.lookback(**parameters)
    except ValueError as reason:
        raise error(f"{family}.{indicator.name}: {reason}") from None
    values = [node.value for node in inputs]

    def compute(block: BarBlock) -> Floats:
        # Not under `whole` alone: that is the name of the feature, whose value is one of these.
        outputs = block.memo(
            f"outputs of {whole}", lambda: indicator.compute(block, *[value(block) for value in values], **parameters)
        )
        return outputs[place]

    text = f"{whole}.{indicator.outputs[place]}" if len(indicator.outputs) > 1 else whole
    node = _Node(
        text=text,
        strength=_ATOM,
        unit=_unit(indicator.units[place], [node.unit for node in inputs]),
        value=compute,
        lookback=lookback + max((node.lookback for node in inputs), default=0),
        sources=_merged([(indicator.source,), *(node.sources for node in inputs)]),
        needs_benchmark=any(node.needs_benchmark for node in inputs),
        is_path_dependent=indicator.is_path_dependent or any(node.is_path_dependent for node in inputs),
        title=f"{indicator.title}: {text}",
    )
    return node, text


def _constant(number: float) -> _Node:
    strength = _ATOM if number >= 0 else _UNARY
    return _Node(_number(number), strength, "number", lambda block: np.full(len(block.session), number), number=number)


def _negative(node: _Node) -> _Node:
    if node.number is not None:
        return _constant(-node.number)
    value = node.value
    return _Node(
        f"-{node.within(_UNARY)}", _UNARY, node.unit, lambda block: -value(block), node.lookback, node.sources,
        node.needs_benchmark, node.is_path_dependent,
    )  # fmt: skip


def _arithmetic(operator: str, left: _Node, right: _Node) -> _Node:
    if left.number is not None and right.number is not None:
        return _constant(_of_numbers(operator, left.number, right.number))
    strength = _SUM if operator in "+-" else _PRODUCT
    one, other = _operand(left), _operand(right)

    def value(block: BarBlock) -> Floats:
        first, second = one(block), other(block)
        if operator == "+":
            return np.asarray(first + second)
        if operator == "-":
            return np.asarray(first - second)
        if operator == "*":
            return np.asarray(first * second)
        return ratio(np.asarray(first), np.asarray(second))

    return _Node(
        text=f"{left.text if left.strength >= strength else left.within(strength)} {operator} {right.within(strength)}",
        strength=strength,
        unit=_unit_of(operator, left, right),
        value=value,
        lookback=max(left.lookback, right.lookback),
        sources=_merged([left.sources, right.sources]),
        needs_benchmark=left.needs_benchmark or right.needs_benchmark,
        is_path_dependent=left.is_path_dependent or right.is_path_dependent,
    )


def _operand(node: _Node) -> Callable[[BarBlock], Any]:
    number = node.number
    return node.value if number is None else lambda _: number


def _of_numbers(operator: str, one: float, other: float) -> float:
    if operator == "/":
        if other == 0:
            raise ExpressionError(f"{_number(one)} / 0 has no value.")
        return one / other
    return {"+": one + other, "-": one - other, "*": one * other}[operator]


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _merged(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(source for group in groups for source in group))


def _unit(declared: str, inputs: list[Unit]) -> Unit:
    """An output's unit: as declared, or derived from the inputs'."""
    first = inputs[0]
    if declared == AS_INPUT:
        return first
    if declared == "product":
        return _product(inputs[0], inputs[1], 1)
    if declared == "quotient":
        return _product(inputs[0], inputs[1], -1)
    if declared == "square":
        return _product(first, first, 1)
    if declared == "slope":
        return {"dollars": "dollars/bar", "shares": "shares/bar"}.get(first, first)  # type: ignore[return-value]
    if declared not in SCALES and declared != "number":
        raise ValueError(f"'{declared}' is no unit")
    return declared  # type: ignore[return-value]


def _unit_of(operator: str, left: _Node, right: _Node) -> Unit:
    """The unit of a sum, a difference, a product or a quotient."""
    constants = [node.number is not None for node in (left, right)]
    if operator in "*/":
        if constants[1]:
            return left.unit
        if constants[0] and operator == "*":
            return right.unit
        return _product("ratio" if constants[0] else left.unit, right.unit, 1 if operator == "*" else -1)
    if any(constants):
        unit = right.unit if constants[0] else left.unit
        return unit if SCALES.get(unit) == (0, 0) else "number"
    if left.unit == right.unit:
        return left.unit
    scales = {SCALES.get(left.unit), SCALES.get(right.unit)}
    return _of_scale(scales.pop()) if len(scales) == 1 else "number"


def _product(left: Unit, right: Unit, power: int) -> Unit:
    if left not in SCALES or right not in SCALES:
        return "number"
    (price, shares), (other_price, other_shares) = SCALES[left], SCALES[right]
    if SCALES[right] == (0, 0) and SCALES[left] != (0, 0):
        return left
    return _of_scale((price + power * other_price, shares + power * other_shares))


def _of_scale(scale: tuple[int, int] | None) -> Unit:
    """The plainest unit that scales so."""
    plainest: tuple[Unit, ...] = ("ratio", "dollars", "shares", "dollars/day", "dollars/share", "dollars²", "shares²")
    return next((unit for unit in plainest if SCALES[unit] == scale), "number")


def _signature(family: str, indicator: Indicator) -> str:
    parameters = [f"{name}={_number(value)}" for name, value in indicator.parameters.items()]
    outputs = f", with outputs {', '.join(indicator.outputs)}" if len(indicator.outputs) > 1 else ""
    return f"{family}.{indicator.name}({', '.join([*indicator.inputs, *parameters])}){outputs}"


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=3)
    return f"{what}; near it: {', '.join(near)}" if near else what
