"""A script's text and its syntax tree, without running any of it.

What belongs here: reading the text in whatever encoding it declares, parsing it, and what several readers of the tree
ask: which statements run when the script does, which texts it puts together, which constants are days. What does not:
what any of that means (`inspection.py`).
"""

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from scan_pipeline.errors import ScriptError

#: Stands in a text for what is known only when the script runs.
HOLE = "{}"
Where = Literal["module", "main guard"]
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
#: How scripts write a day, tried in this order; the runtime writes them back in the same forms.
_DAYS = ("%Y-%m-%d", "%Y%m%d", "%m/%d/%Y", "%Y/%m/%d", "%d.%m.%Y", "%m-%d-%Y", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")
#: Calls whose first argument is a day as text.
_FROM_TEXT = {"Timestamp", "to_datetime", "fromisoformat", "parse", "datetime64"}
_PYTHON_2 = re.compile(r"Missing parentheses in call to|leading zeros in decimal|multiple exception types must be")


def decode(program: bytes, path: Path) -> str:
    """The text of a script. Raises ScriptError where its bytes are not text in the encoding that it declares."""
    if b"\0" in program:
        raise ScriptError(f"{path} holds NUL bytes: it is no Python text. Save it again as UTF-8 without them.")
    encoding = "utf-8"
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(program).readline)
    except SyntaxError as error:
        if "unknown encoding" in str(error):
            raise ScriptError(f"{path}, line 1: {error.msg}. Save it as UTF-8, and say so there.") from error
    try:
        return program.decode(encoding)
    except UnicodeDecodeError as error:
        line = program[: error.start].count(b"\n") + 1
        raise ScriptError(
            f"{path}, line {line}: the text is not {encoding} ({error.reason}). Save it as UTF-8, or name its encoding "
            "in the first line."
        ) from error


def parse(source: str, path: Path) -> ast.Module:
    """The syntax tree. Raises ScriptError naming file, line and fault where Python cannot read it, or it is empty."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a text: the script's own affair
            tree = ast.parse(source.removeprefix("\ufeff"), filename=str(path))
            compile(tree, str(path), "exec", dont_inherit=True)  # finds a `return` outside functions and the like
    except SyntaxError as error:
        raise ScriptError(f"{path}, line {error.lineno or 1}: {error.msg}. {_advice(source, error)}") from error
    except ValueError as error:  # NUL bytes, in a text that nobody decoded
        raise ScriptError(f"{path}: {error}. Save it again as UTF-8.") from error
    except (RecursionError, MemoryError) as error:
        raise ScriptError(f"{path} is nested too deeply for Python to read it. Take it apart.") from error
    if not [one for one in tree.body if not _is_text(one)]:
        raise ScriptError(f"{path} is empty: there is nothing in it to run.")
    return tree


def _advice(source: str, error: SyntaxError) -> str:
    line = (source.splitlines() or [""])[min((error.lineno or 1), len(source.splitlines()) or 1) - 1].strip()
    if _PYTHON_2.search(error.msg or "") or line.startswith(("print ", "exec ")):
        return "It is written for Python 2; `2to3 -w` translates it."
    if line.startswith(("!", "%")) or "'await' outside" in (error.msg or ""):
        return "It was written in a notebook: take out lines that begin with ! or %, and await in a function."
    return "Python cannot read it as it is; correct that line."


def executed(tree: ast.Module) -> Iterator[tuple[ast.AST, Where]]:
    """Every node that runs when the script does, and whether that is under the main guard; bodies of functions and
    classes are left out."""

    def below(node: ast.AST, where: Where) -> Iterator[tuple[ast.AST, Where]]:
        yield node, where
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.Lambda)):
            return
        for child in ast.iter_child_nodes(node):
            guarded = is_main_guard(node) and child in node.body  # type: ignore[attr-defined]
            yield from below(child, "main guard" if guarded else where)

    for statement in tree.body:
        yield from below(statement, "module")


def is_main_guard(node: ast.AST) -> bool:
    """Whether a statement is `if __name__ == "__main__":`."""
    return isinstance(node, ast.If) and any(
        isinstance(one, ast.Name) and one.id == "__name__" for one in ast.walk(node.test)
    )


def called(node: ast.AST) -> str:
    """The name of what a call calls, without what stands before its last point; "" for what is no such call."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", "") or getattr(node.func, "id", "")


def names_of(targets: list[ast.expr]) -> list[str]:
    """The plain names that an assignment sets."""
    return [one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)]


def shortened(node: ast.AST, longest: int = 60) -> str:
    """A piece of the script on one line."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def as_day(text: str) -> date | None:
    """The day that a text is, in one of the forms that scripts use."""
    if not 8 <= len(text) <= 19:
        return None
    for form in _DAYS:
        try:
            day = datetime.strptime(text, form).date()
        except ValueError:
            continue
        return day if 1980 <= day.year <= 2100 else None
    return None


def day_of(node: ast.AST | None) -> date | None:
    """The day that an expression of constants is: a text, or a call of date, datetime, strptime, Timestamp."""
    if isinstance(node, ast.Constant):
        return as_day(node.value) if isinstance(node.value, str) else None
    if not isinstance(node, ast.Call):
        return None
    values = [one.value if isinstance(one, ast.Constant) else None for one in node.args]
    name = called(node)
    try:
        if name in ("date", "datetime") and len(values) >= 3 and all(type(one) is int for one in values):
            return date(*values[:3])  # type: ignore[arg-type]
        if name == "strptime" and len(values) == 2 and all(isinstance(one, str) for one in values):
            return datetime.strptime(*values).date()  # type: ignore[arg-type]
    except ValueError:
        return None
    return as_day(values[0]) if name in _FROM_TEXT and values and isinstance(values[0], str) else None


class Text(NamedTuple):
    """A text that the script puts together, with HOLE where it is not known; its line."""

    text: str
    line: int


class Texts:
    """The texts of a script: constants, f-strings, concatenations, with names put in where they have one value."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._known: dict[str, str] = {}
        self._functions: dict[str, list[str]] = {}
        self._calls: dict[str, list[dict[str, str]]] = {}
        self._learn_names()
        self._learn_calls()

    def __iter__(self) -> Iterator[Text]:
        yield from self._below(self._tree, "")

    def of(self, node: ast.AST | None, local: Mapping[str, str] | None = None, depth: int = 0) -> str | None:
        """The text that an expression is, as far as that is known; None for what is no text."""
        if depth > 200 or node is None:
            return None
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.JoinedStr):
            return "".join(self._part(one, local, depth) for one in node.values)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.of(node.left, local, depth + 1), self.of(node.right, local, depth + 1)
            return None if left is None and right is None else (left or HOLE) + (right or HOLE)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            return self.of(node.left, local, depth + 1)
        if isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            return (local or {}).get(name, self._known.get(name))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _KEEPING:
            return self.of(node.func.value, local, depth + 1)
        if isinstance(node, ast.Call) and called(node) in ("urljoin", "join", "Path") and len(node.args) > 1:
            parts = [(self.of(one, local, depth + 1) or HOLE).strip("/") for one in node.args]
            return "/".join(parts)
        return None

    def _part(self, node: ast.expr, local: Mapping[str, str] | None, depth: int) -> str:
        value = node.value if isinstance(node, ast.FormattedValue) else node
        if isinstance(value, ast.Constant):
            return str(value.value)
        return self.of(value, local, depth + 1) or HOLE

    def _below(self, node: ast.AST, function: str) -> Iterator[Text]:
        if _is_text(node):
            return  # a docstring
        if isinstance(node, _FUNCTIONS):
            function = node.name
        if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp | ast.Call) and self.of(node) is not None:
            for local in self._calls.get(function) or [{}]:
                yield Text(self.of(node, local) or "", node.lineno)
            # Arguments of a call within are texts of their own; the pieces of this one are not.
            calls = [one for one in ast.walk(node) if isinstance(one, ast.Call) and one is not node]
            for argument in [one for call in calls if called(call) not in _KEEPING for one in call.args]:
                yield from self._below(argument, function)
            return
        for child in ast.iter_child_nodes(node):
            yield from self._below(child, function)

    def _learn_names(self) -> None:
        several: set[str] = set()
        for node in ast.walk(self._tree):
            if isinstance(node, _FUNCTIONS):
                arguments = [*node.args.posonlyargs, *node.args.args]
                self._functions[node.name] = [one.arg for one in arguments if one.arg not in ("self", "cls")]
            targets, value = _assigned(node)
            for target in targets:
                name = getattr(target, "id", "") or getattr(target, "attr", "")
                text = self.of(value) if name else None
                if isinstance(value, ast.Constant) and type(value.value) is int:
                    text = str(value.value)
                if text is None or self._known.get(name, text) != text:
                    several.add(name)
                elif name:
                    self._known[name] = text
        for name in several:
            self._known.pop(name, None)

    def _learn_calls(self) -> None:
        """What the script's own functions are called with: one set of texts for each way of calling."""
        defaults = {node.name: _defaults(node) for node in ast.walk(self._tree) if isinstance(node, _FUNCTIONS)}
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call) and (names := self._functions.get(called(node))):
                given = dict.fromkeys(names, HOLE) | defaults[called(node)]
                given |= {name: self._argument(one) for name, one in zip(names, node.args, strict=False)}
                given |= {one.arg: self._argument(one.value) for one in node.keywords if one.arg in names}
                known = self._calls.setdefault(called(node), [])
                if given not in known and len(known) < 20:
                    known.append(given)
        for name, given in defaults.items():
            self._calls.setdefault(name, [given])

    def _argument(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant):
            return str(node.value)
        return self.of(node) or HOLE


#: Methods that give a text like the one that they are called on.
_KEEPING = {"format", "strip", "rstrip", "lstrip", "replace"}


def _assigned(node: ast.AST) -> tuple[list[ast.expr], ast.expr | None]:
    if isinstance(node, ast.Assign):
        return node.targets, node.value
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        return [node.target], node.value
    return [], None


def _defaults(node: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, str]:
    arguments = [*node.args.posonlyargs, *node.args.args]
    with_default = arguments[len(arguments) - len(node.args.defaults) :]
    pairs = [
        *zip(with_default, node.args.defaults, strict=True),
        *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True),
    ]
    return {one.arg: str(value.value) for one, value in pairs if isinstance(value, ast.Constant)}


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
