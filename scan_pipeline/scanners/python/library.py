"""Which scanners in Python a user has, read from their files without running them.

A file of the folder with a function under `@scanner(…)` is a scanner, named after the file. What belongs here: finding
and reading. What does not: importing the file and calling the function, which only worker processes do (`worker.py`).
"""

import ast
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from scan_pipeline.errors import ScannerError
from scan_pipeline.scanners.python.authoring import Declaration, Scope, Value
from scan_pipeline.scanners.python.code import code_version, helpers_of, imports_of
from scan_pipeline.scanners.registry import BUILTIN_DIR

_NAME = re.compile(r"^[a-z][a-z0-9_]*$")
_ARGUMENTS = ("lookback", "rank", "limit", "title", "scope")


@dataclass(frozen=True)
class PythonScanner:
    """A scanner's file. `fault` says why it cannot be run: it fails alone, at its turn.

    `function` is its name in the file; `text` the file; `code` a digest of it, its helpers and the packages' versions.
    """

    name: str
    path: Path
    text: str
    title: str
    rank: str = ""
    limit: int | None = None
    lookback: int = 0
    scope: Scope = "symbol"
    function: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    description: str = ""
    fault: str | None = None
    helpers: Mapping[Path, bytes] = field(default_factory=dict)
    imports: Collection[str] = ()

    @property
    def code_version(self) -> str:
        """Changes with the file, the files beside it that it imports, the packages' versions, or a parameter."""
        return code_version(self.text.encode(), self.helpers, set(self.imports), self.parameters)

    def with_parameters(self, overrides: Mapping[str, Value]) -> "PythonScanner":
        """The scanner with other values for some parameters. Raises ScannerError for one that it does not have, and for
        a value of another kind than the default."""
        values = dict(self.parameters)
        for name, value in overrides.items():
            if name not in values:
                near = get_close_matches(name, values, n=1)
                has = f"It has {', '.join(values)}" if values else "It has none: declare it as a keyword-only argument"
                hint = f" Did you mean {near[0]}?" if near else ""
                raise ScannerError(f"The scanner {self.name} has no parameter {name}. {has}.{hint}")
            values[name] = self._of_its_kind(name, value)
        return replace(self, parameters=values)

    def _of_its_kind(self, name: str, value: Value) -> Value:
        default = self.parameters[name]
        is_number = isinstance(default, (int, float)) and not isinstance(default, bool)
        fits = isinstance(value, (int, float)) and not isinstance(value, bool) if is_number else None
        if not (fits if is_number else type(value) is type(default)):
            kind = "a number" if is_number else "true or false" if isinstance(default, bool) else "text"
            raise ScannerError(
                f"The parameter {name} of {self.name} is {kind}, like its default {default!r}, not {value!r}."
            )
        return value


def find_python_scanners(user_dir: Path) -> list[PythonScanner]:
    """All scanners in Python, by name. A file that bears the name of one in SQL is a scanner that fails, and says why.

    A file whose name begins with `_`, or which another imports, is a helper unless it declares a scanner.
    """
    paths = sorted(path for path in user_dir.glob("*.py") if not path.name.startswith("_"))
    if not paths:
        return []
    in_sql = {path.stem: path for folder in (BUILTIN_DIR, user_dir) for path in sorted(folder.glob("*.sql"))}
    read = [read_scanner(path) for path in paths]
    helpers = {helper for one in read for helper in one.helpers}
    scanners = []
    for one in read:
        if not one.function and one.path in helpers:
            continue
        if one.name in in_sql:
            fault = f"{one.path} has the name of a scanner in SQL, {in_sql[one.name]}. Rename your file."
            one = replace(one, name=f"{user_dir.name}_{one.name}", fault=fault)
        scanners.append(one)
    return sorted(scanners, key=lambda scanner: scanner.name)


def read_scanner(path: Path) -> PythonScanner:
    """One file, not run; what is wrong with it is in `fault`."""
    blank = PythonScanner(path.stem, path, "", path.stem.replace("_", " ").capitalize())
    try:
        source = path.read_bytes()
        text = source.decode("utf-8-sig")
        tree = ast.parse(source, str(path))
    except SyntaxError as error:
        place = f", line {error.lineno}" if error.lineno else ""
        text = source.decode("utf-8", "replace")
        return replace(blank, text=text, function="?", fault=f"{path}{place}: {error.msg}. Mend the line.")
    except (OSError, ValueError) as error:
        return replace(blank, function="?", fault=f"{path} cannot be read: {error}. Save it as UTF-8.")
    helpers = helpers_of(path, tree)
    imports = imports_of(tree).union(*(imports_of(_parsed(text)) for text in helpers.values()))
    one = replace(blank, text=text, helpers=helpers, imports=frozenset(imports))
    functions = [
        (node, decorator)
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for decorator in node.decorator_list
        if _is_scanner(decorator, _aliases(tree))
    ]
    faults = []
    if not _NAME.match(path.stem):
        faults.append("the file's name must be small letters, digits and underscores, beginning with a letter")
    if not functions:
        hint = "put `@scanner(lookback=…)` above its function, or begin the name of a helper's file with `_`"
        return replace(one, fault=f"{path}: {'; '.join([*faults, f'no scanner in it: {hint}'])}.")
    if len(functions) > 1:
        where = " and ".join(f"line {node.lineno} ({node.name})" for node, _ in functions)
        faults.append(f"more than one scanner: {where}; keep one a file")
    function, decorator = functions[0]
    declaration, found = _declaration(decorator)
    parameters, signature_faults = _signature(function)
    faults += found + signature_faults
    return replace(
        one,
        title=str(declaration.title or one.title),
        rank=str(declaration.rank),
        limit=declaration.limit,
        lookback=declaration.lookback,
        scope=declaration.scope,
        function=function.name,
        parameters=parameters,
        description=" ".join((ast.get_docstring(function) or ast.get_docstring(tree) or "").split()),
        fault=f"{path}: {'; '.join(faults)}." if faults else None,
    )


def _parsed(source: bytes) -> ast.AST:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _aliases(tree: ast.Module) -> set[str]:
    """The names under which the file knows the decorator."""
    return {"scanner"} | {
        alias.asname
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "scan_pipeline"
        for alias in node.names
        if alias.name == "scanner" and alias.asname
    }


def _is_scanner(decorator: ast.expr, aliases: Iterable[str]) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    if isinstance(called, ast.Attribute):
        return called.attr == "scanner" and isinstance(called.value, ast.Name) and called.value.id == "scan_pipeline"
    return isinstance(called, ast.Name) and called.id in aliases


def _declaration(decorator: ast.expr) -> tuple[Declaration, list[str]]:
    """What the decorator says, and what is wrong with it."""
    line = f"line {decorator.lineno}"
    usable = Declaration(lookback=0)
    if not isinstance(decorator, ast.Call):
        return usable, [f"{line}: write `@scanner(lookback=…)`, with the bars that are read before each bar"]
    given: dict[str, Any] = {}
    faults = []
    if decorator.args:
        faults.append(f"{line}: name what `@scanner` is given, `lookback=…`")
    for keyword in decorator.keywords:
        if keyword.arg not in _ARGUMENTS:
            near = get_close_matches(keyword.arg or "", _ARGUMENTS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_ARGUMENTS)}"
            faults.append(f"{line}: `@scanner` takes no {keyword.arg or '**'}; {hint}")
            continue
        try:
            given[keyword.arg] = ast.literal_eval(keyword.value)
        except ValueError:
            faults.append(f"line {keyword.value.lineno}: {keyword.arg} must be written out, as a number or text")
    if "lookback" not in given and not faults:
        faults.append(f"{line}: `@scanner` needs lookback=…, the bars that are read before each bar")
    if faults:
        return usable, faults
    declaration = Declaration(**given)
    wrong = declaration.faults()
    return (usable if wrong else declaration), [f"{line}: {fault}" for fault in wrong]


def _signature(function: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[dict[str, Value], list[str]]:
    """The parameters with their defaults, and what is wrong with the function."""
    line, given = f"line {function.lineno}", function.args
    faults = []
    if isinstance(function, ast.AsyncFunctionDef):
        faults.append(f"{line}: {function.name} is async; write `def`")
    positional = [*given.posonlyargs, *given.args]
    if given.vararg or given.kwarg or len(positional) != 1:
        faults.append(
            f"{line}: {function.name} must take one argument, the bars, and parameters after a `*`: "
            f"`def {function.name}(bars, *, min_gap=4)`"
        )
    parameters: dict[str, Value] = {}
    for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        try:
            value = ast.literal_eval(default) if default is not None else None
        except ValueError:
            value = None
        if isinstance(value, bool | int | float | str):
            parameters[argument.arg] = value
        else:
            faults.append(
                f"line {argument.lineno}: the parameter {argument.arg} needs a default that is a number, text, True or "
                f"False, written out: `{argument.arg}=4`"
            )
    if not _returns(function):
        faults.append(f"{line}: {function.name} returns nothing; return a Series of booleans or a DataFrame of hits")
    return parameters, faults


def _returns(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a value is returned somewhere in the function's own body."""
    left: list[ast.AST] = list(function.body)
    while left:
        node = left.pop()
        if isinstance(node, ast.Return) and node.value is not None:
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            left += ast.iter_child_nodes(node)
    return False
