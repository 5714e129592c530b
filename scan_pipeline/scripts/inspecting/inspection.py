"""What a script is, found by parsing it: nothing of it is run.

What belongs here: the whole picture, its kind and its imports. What does not: how it is read from the syntax tree
(`parsing.py`, `endpoints.py`, `proposals.py`, `findings.py`), which packages it needs (`requirements.py`), and its
results. All of it is a guess at what people write: it is shown and proposed; a run does not depend on it.
"""

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scan_pipeline.errors import ScriptError
from scan_pipeline.scripts.inspecting.endpoints import find_endpoints
from scan_pipeline.scripts.inspecting.findings import Result, files_read, find_notes, find_results, key_variables
from scan_pipeline.scripts.inspecting.parsing import Texts, called, decode, executed, is_main_guard, parse
from scan_pipeline.scripts.inspecting.proposals import (
    DateUse,
    Proposal,
    SymbolList,
    find_dates,
    find_proposals,
    find_symbol_lists,
)

Kind = Literal[
    "async main over dates",
    "symbol list and scan function",
    "class with run method",
    "grouped first, then details",
    "module-level code",
    "functions under a main guard",
]
_RUNS = re.compile(r"^(run|scan|main|execute|start|process|find|screen|backtest|analy[sz]e)(_|$)")
#: Methods of pandas, and what each imports when it is called.
_PANDAS_ASKS = {
    "read_parquet": "pyarrow", "to_parquet": "pyarrow", "read_feather": "pyarrow", "to_feather": "pyarrow",
    "read_excel": "openpyxl", "to_excel": "openpyxl", "to_markdown": "tabulate", "read_html": "lxml",
}  # fmt: skip
#: PEP 723: a block of comments that holds TOML.
_METADATA = re.compile(r"(?m)^# /// script[ \t]*$\r?\n(?P<content>(?:^#(?:| .*)$\r?\n?)+?)^# ///[ \t]*$")


@dataclass(frozen=True)
class Inspection:
    """What was found in a script.

    `imports`: top-level names of packages that it needs beside the standard library, those of its own modules
    included; `optional_imports`: those that it can do without, because it catches that they are missing;
    `implied_imports`: what pandas imports for methods that it calls. `local_modules`: modules and packages beside it.
    `local_files`: files beside it that it reads. `parameters`: what a run could give. `key_variables`: environment
    variables that it reads a key from. `metadata`: the TOML of its PEP 723 block, or "".
    """

    path: Path
    kind: Kind
    imports: tuple[str, ...] = ()
    optional_imports: tuple[str, ...] = ()
    implied_imports: tuple[str, ...] = ()
    local_modules: tuple[str, ...] = ()
    local_files: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    symbols: tuple[SymbolList, ...] = ()
    dates: tuple[DateUse, ...] = ()
    parameters: tuple[Proposal, ...] = ()
    results: tuple[Result, ...] = ()
    notes: tuple[str, ...] = ()
    key_variables: tuple[str, ...] = ()
    metadata: str = ""


def inspect(source: str, path: Path) -> Inspection:
    """Inspect a script's text; `path` is where it is, with its own modules and files beside it.

    Raises ScriptError naming file, line and fault where Python cannot parse it.
    """
    tree = parse(source, path)
    texts = Texts(tree)
    local: dict[str, None] = {path.stem: None}  # its own modules may import it, too
    imports, optional, unparsed = _imports_of(tree, path, local)
    endpoints = find_endpoints(tree, texts, imports | optional)
    symbols = find_symbol_lists(tree)
    beside = [name for name, _ in files_read(tree, texts) if (path.parent / name).exists()]
    return Inspection(
        path=path,
        kind=_kind_of(tree, endpoints, symbols),
        imports=tuple(sorted(imports)),
        optional_imports=tuple(sorted(optional)),
        implied_imports=tuple(
            sorted({_PANDAS_ASKS[name] for node in ast.walk(tree) if (name := called(node)) in _PANDAS_ASKS})
        ),
        local_modules=tuple(local)[1:],
        local_files=tuple(name for name in beside if ".." not in Path(name).parts),
        endpoints=endpoints,
        symbols=symbols,
        dates=find_dates(tree),
        parameters=find_proposals(tree),
        results=find_results(tree, texts),
        notes=(*find_notes(tree, texts, path, imports | optional), *unparsed),
        key_variables=key_variables(tree),
        metadata=_metadata_of(source),
    )


def _imports_of(tree: ast.Module, path: Path, local: dict[str, None]) -> tuple[set[str], set[str], list[str]]:
    """The packages that a script and the modules beside it must have, those that they may have, and what went wrong.

    The modules beside it are noted in `local`.
    """
    needed, optional = _imported(tree)
    notes: list[str] = []
    for name in sorted(needed | optional):
        modules = [one for one in _beside(path.parent, name) if one.resolve() != path.resolve()]
        if name in sys.stdlib_module_names or name in local or modules:
            needed.discard(name)
            optional.discard(name)
        if not modules or name in local or name in sys.stdlib_module_names:
            continue
        local[name] = None
        for module in modules:
            try:
                inner, spare, faults = _imports_of(parse(decode(module.read_bytes(), module), module), module, local)
            except ScriptError as error:
                notes += [] if "is empty" in str(error) else [str(error)]
                continue
            # The modules of a package may name each other from the script's folder too.
            needed |= {one for one in inner if not _beside(path.parent, one)}
            optional |= {one for one in spare if not _beside(path.parent, one)}
            notes += faults
    return needed, optional - needed, notes


def _beside(folder: Path, name: str) -> list[Path]:
    """The files of a module or package in a folder."""
    module = folder / f"{name}.py"
    return [module] if module.is_file() else sorted((folder / name).rglob("*.py"))


def _imported(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Top-level names of all modules that are imported, wherever in the code: those that must be there, and those whose
    absence is caught."""
    caught = {
        id(node)
        for attempt in ast.walk(tree)
        if isinstance(attempt, ast.Try) and any(_catches_import(handler) for handler in attempt.handlers)
        for statement in attempt.body
        for node in ast.walk(statement)
    }
    needed: set[str] = set()
    optional: set[str] = set()
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [node.module]
        elif isinstance(node, ast.Call) and called(node) in ("import_module", "__import__") and node.args:
            name = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
            names = [name] if isinstance(name, str) and not name.startswith(".") else []
        (optional if id(node) in caught else needed).update(name.partition(".")[0] for name in names if name)
    return needed, optional - needed


def _catches_import(handler: ast.ExceptHandler) -> bool:
    """Whether a handler is there for a module that is missing. One for everything is not: it may well report it."""
    names = {getattr(one, "id", "") for one in ast.walk(handler.type)} if handler.type else set()
    return bool(names & {"ImportError", "ModuleNotFoundError"})


def _kind_of(tree: ast.Module, endpoints: tuple[str, ...], symbols: tuple[SymbolList, ...]) -> Kind:
    """The kind that tells most about how the script goes about it."""
    is_grouped = "grouped daily" in endpoints
    has_bars = any(one.startswith("custom bars") for one in endpoints)
    is_guarded = any(is_main_guard(node) for node in tree.body)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    if _has_running_class(tree):
        return "class with run method"
    if not is_guarded and _works_at_module_level(tree):
        return "module-level code"
    if is_grouped and (has_bars or "ticker details" in endpoints):
        return "grouped first, then details"
    if any(isinstance(one, ast.AsyncFunctionDef) for one in functions) and (is_grouped or not symbols):
        return "async main over dates"
    if functions and (symbols or has_bars):
        return "symbol list and scan function"
    return "functions under a main guard" if functions else "module-level code"


def _has_running_class(tree: ast.Module) -> bool:
    """Whether a class of the script's own has a method that runs it, and is made somewhere."""
    running = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and _RUNS.match(one.name) for one in node.body)
    }
    return any(called(node) in running for node in ast.walk(tree))


def _works_at_module_level(tree: ast.Module) -> bool:
    """Whether more happens outside functions than making ready: a loop, or a call of its own."""
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    loops = any(isinstance(node, ast.For | ast.While | ast.With | ast.AsyncFor | ast.AsyncWith) for node in tree.body)
    return not own or loops or any(called(node) in own for node, _ in executed(tree))


def _metadata_of(source: str) -> str:
    match = _METADATA.search(source)
    if match is None:
        return ""
    lines = match["content"].splitlines()
    return "\n".join(line[2:] if line.startswith("# ") else line[1:] for line in lines)
