"""Where a script's results come from, and what its owner should know before it runs: read from its syntax tree.

What belongs here: sentences for people, and the places of results. What does not: finding the results of a run
(`candidates.py`). A key that stands in a script is never shown: only that there is one.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scan_pipeline.scripts.inspecting.parsing import HOLE, Texts, as_day, called, executed, names_of

_WRITERS = {"to_csv", "to_parquet", "to_json", "to_excel", "to_feather", "to_pickle", "to_html"}
_READERS = {
    "read_csv", "read_parquet", "read_json", "read_excel", "read_feather", "read_pickle", "loadtxt", "genfromtxt",
    "read_text", "read_bytes",
}  # fmt: skip
_TABLES = {"DataFrame", "concat", "merge", "from_records", "from_dict", "reset_index", "sort_values", "drop_duplicates"}
_RUNNERS = {"run", "run_until_complete", "list", "sorted"}
#: Keywords under which a file is named.
_TARGETS = {"path", "path_or_buf", "file", "filepath_or_buffer", "excel_writer"}
_POOLS = {"ProcessPoolExecutor", "Pool", "Process", "Parallel"}
_PROGRAMS = {"system", "Popen", "check_output", "check_call", "run"}
_FOLDER = re.compile(r"^(?:/(?:Users|home|root|mnt|media|Volumes|content|kaggle|workspace)/|[A-Za-z]:[\\/]|~/)")
_KEY_NAME = re.compile(r"(?i)^_?(?:.*(?:api|access|secret)_?key|.*_?token|polygon_?key|massive_?key|key|apikey)$")
_KEY_IN_URL = re.compile(r"(?i)api_?key=[A-Za-z0-9_\-]{8,}")
#: Packages that fetch from vendors of their own.
_OTHER_VENDORS = {
    "yfinance": "Yahoo", "alpaca_trade_api": "Alpaca", "alpaca": "Alpaca", "ib_insync": "Interactive Brokers",
    "finnhub": "Finnhub", "alpha_vantage": "Alpha Vantage", "finviz": "Finviz", "finvizfinance": "Finviz",
    "pandas_datareader": "other vendors", "tiingo": "Tiingo", "eodhd": "EODHD", "nasdaqdatalink": "Nasdaq Data Link",
    "telegram": "Telegram", "twilio": "Twilio", "tweepy": "X",
}  # fmt: skip


@dataclass(frozen=True)
class Result:
    """A place where results may be: `source` as a sidecar names it, `words` for people."""

    source: str
    line: int
    words: str

    def __str__(self) -> str:
        return self.words


def find_results(tree: ast.Module, texts: Texts) -> tuple[Result, ...]:
    """Tables and lists among the globals, files that are written (`*` for what is not known), and prints."""
    files = [(name.replace(HOLE, "*"), line) for name, line in _written(tree, texts)]
    written = [Result(f"file:{name}", line, f"the file {name} (line {line})") for name, line in files if name]
    found = [*_globals(tree), *written]
    prints = [node.lineno for node in ast.walk(tree) if called(node) in ("print", "echo")]  # type: ignore[attr-defined]
    if prints:
        places = f"{len(prints)} place{'s' if len(prints) > 1 else ''}, the last one at line {max(prints)}"
        found.append(Result("stdout", max(prints), f"what it prints ({places})"))
    return tuple(dict.fromkeys(found))


def find_notes(tree: ast.Module, texts: Texts, path: Path, imports: set[str]) -> tuple[str, ...]:
    """What its owner should know, a sentence each, in the order of the script; what is of no line comes last."""
    lines: dict[str, set[int]] = {}
    for line, words in sorted([*_calls_noted(tree), *_texts_noted(tree, texts)]):
        lines.setdefault(words, set()).add(line)
    found = [f"{words} (line{'s' if len(at) > 1 else ''} {_listed(sorted(at))})" for words, at in lines.items()]
    found += [
        f"reads {name} (line {line}), which is not beside it: put it into {path.parent}"
        for name, line in files_read(tree, texts)
        if not (path.parent / name).expanduser().exists()
    ]
    found += [
        f"imports {name}, which asks {vendor}: other hosts are refused unless SCAN_SCRIPT_HOSTS allows them"
        for name, vendor in _OTHER_VENDORS.items()
        if name in imports
    ]
    return tuple(dict.fromkeys(found))


def files_read(tree: ast.Module, texts: Texts) -> list[tuple[str, int]]:
    """Files of the script's own folder that it reads and does not write first: path and line."""
    written = {name for name, _ in _written(tree, texts)}
    found: dict[str, int] = {}
    for node in ast.walk(tree):
        reads = called(node) in _READERS or (_is_open(node) and not set(_mode(node)) & set("wax+"))
        name = _target(node, texts) if reads else ""
        is_known = name and HOLE not in name and "://" not in name
        if is_known and name not in written and not _FOLDER.match(name) and not name.startswith("/"):
            found.setdefault(name, node.lineno)  # type: ignore[attr-defined]
    return list(found.items())


def key_variables(tree: ast.Module) -> tuple[str, ...]:
    """Environment variables that the script reads a key from."""
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        name: ast.AST | None = None
        if isinstance(node, ast.Subscript) and getattr(node.value, "attr", getattr(node.value, "id", "")) == "environ":
            name = node.slice
        elif (
            isinstance(node, ast.Call)
            and node.args
            and "env" in ast.unparse(node.func)
            and called(node)
            in (
                "getenv",
                "get",
            )
        ):
            name = node.args[0]
        if isinstance(name, ast.Constant) and isinstance(name.value, str) and _KEY_NAME.match(name.value):
            found[name.value] = None
    return tuple(found)


def _globals(tree: ast.Module) -> Iterator[Result]:
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    shared = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}
    outside = {id(node) for node, _ in executed(tree)}
    found: dict[str, Result] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for name in names_of([one for one in targets if isinstance(one, ast.Name | ast.Tuple)]):
            kind = _kind_of(node.value, own)
            if kind and (id(node) in outside or name in shared) and (name.islower() or name in shared):
                line = max(node.lineno, found[name].line if name in found else 0)
                found[name] = Result(f"global:{name}", line, f"the global {name}, {kind} (line {line})")
    # The last one that is assigned is the answer more often than not.
    yield from sorted(found.values(), key=lambda one: -one.line)


def _kind_of(value: ast.expr, own: set[str]) -> str:
    """What a global holds, in words; empty for what is no table."""
    if isinstance(value, ast.Await):
        return _kind_of(value.value, own)
    if isinstance(value, ast.ListComp):
        return "a list"
    if isinstance(value, ast.List):
        # What is filled later begins empty; a list of constants is a setting.
        return "a list" if not value.elts or all(isinstance(one, ast.Dict) for one in value.elts) else ""
    name = called(value)
    if name in _TABLES:
        return "a DataFrame"
    if name in own and "args" not in name:
        return f"what {name}() returns"
    if name in _RUNNERS and isinstance(value, ast.Call) and value.args:
        return _kind_of(value.args[0], own) or ("a list" if name in ("list", "sorted") else "")
    return ""


def _written(tree: ast.Module, texts: Texts) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if (
            called(node) in _WRITERS
            or called(node) == "write_text"
            or (_is_open(node) and set(_mode(node)) & set("wax+"))
        ):
            yield _target(node, texts), node.lineno  # type: ignore[attr-defined]


def _target(node: ast.AST, texts: Texts) -> str:
    """The file that a call reads or writes, as far as it is known."""
    if not isinstance(node, ast.Call):
        return ""
    named = [one.value for one in node.keywords if one.arg in _TARGETS]
    method = called(node) in ("read_text", "read_bytes", "write_text") or (called(node) == "open" and not node.args)
    if method and isinstance(node.func, ast.Attribute):
        inner = node.func.value
        named = inner.args[:1] if isinstance(inner, ast.Call) and called(inner) == "Path" else [inner]
    return texts.of(next(iter([*named, *node.args[:1]]), None)) or ""


def _is_open(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and called(node) == "open" and _owner(node) not in ("webbrowser", "Image", "os")


def _mode(node: ast.AST) -> str:
    assert isinstance(node, ast.Call)
    mode = next((one.value for one in node.keywords if one.arg == "mode"), None)
    if mode is None:
        place = 1 if isinstance(node.func, ast.Name) else 0
        if isinstance(node.func, ast.Attribute) and len(node.args) > 1:
            place = 1  # codecs.open, gzip.open
        mode = node.args[place] if len(node.args) > place else None
    return mode.value if isinstance(mode, ast.Constant) and isinstance(mode.value, str) else "r"


def _calls_noted(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.While) and _is_endless(node):
            yield node.lineno, "may never end: the timeout ends the run, and what was found by then is partial"
        if not isinstance(node, ast.Call):
            continue
        name, owner, line = called(node), _owner(node), node.lineno
        if name == "input" and isinstance(node.func, ast.Name):
            yield line, "asks for input(): nobody is there to answer, so it is refused"
        elif owner == "webbrowser":
            yield line, "opens a browser: that is recorded, not done"
        elif name == "show" and not node.args:
            yield line, "shows a chart: that is recorded, not done"
        elif name in _POOLS and not owner.startswith(("self", "ThreadPool", "multiprocessing.dummy")):
            yield line, f"starts processes ({name}): a shard has one core, so they take turns"
        elif name == "sleep":
            yield line, "sleeps: that counts against the timeout"
        elif (owner == "subprocess" and name in _PROGRAMS) or (owner == "os" and name == "system"):
            yield line, "starts another program: it has the same limits, and no network"


def _texts_noted(tree: ast.Module, texts: Texts) -> Iterator[tuple[int, str]]:
    has_key = "holds an API key: it is neither shown nor checked, any key is accepted"
    for node in ast.walk(tree):
        for name, value in _named_values(node):
            if _KEY_NAME.match(name.lstrip("-").replace("-", "_")) and _is_key(value):
                yield value.lineno, has_key
    for text in texts:
        if _KEY_IN_URL.search(text.text):
            yield text.line, has_key
        if _FOLDER.match(text.text) and "\n" not in text.text and not Path(text.text).expanduser().exists():
            folder = text.text if len(text.text) <= 60 else f"{text.text[:59]}…"
            yield text.line, f"names {folder}, which is not here: what is written there lands in the run's own folder"


def _named_values(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """The names under which values are kept or handed on."""
    if isinstance(node, ast.Assign):
        yield from ((getattr(one, "id", getattr(one, "attr", "")), node.value) for one in node.targets)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield getattr(node.target, "id", getattr(node.target, "attr", "")), node.value
    elif isinstance(node, ast.Dict):
        yield from ((str(one.value), value) for one, value in zip(node.keys, node.values, strict=True)
                    if isinstance(one, ast.Constant))  # fmt: skip
    elif isinstance(node, ast.Call):
        given = {one.arg: one.value for one in node.keywords if one.arg}
        yield from ((name, value) for name, value in given.items() if name != "key")  # sorted(key=…) is none
        if called(node) == "add_argument" and "default" in given:
            yield from ((str(one.value), given["default"]) for one in node.args if isinstance(one, ast.Constant))
        if called(node) == "RESTClient" and node.args:
            yield "api_key", node.args[0]
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        arguments = [*node.args.posonlyargs, *node.args.args]
        with_default = arguments[len(arguments) - len(node.args.defaults) :]
        yield from ((one.arg, value) for one, value in zip(with_default, node.args.defaults, strict=True))


def _is_key(node: ast.AST) -> bool:
    value = node.value if isinstance(node, ast.Constant) else None
    return isinstance(value, str) and len(value) >= 8 and " " not in value and as_day(value) is None


def _owner(node: ast.Call) -> str:
    return ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""


def _listed(lines: list[int]) -> str:
    """`10, 13 and 18`, or the first few."""
    shown = [str(line) for line in lines[:4]] + ([f"{len(lines) - 4} more"] if len(lines) > 4 else [])
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _is_endless(node: ast.While) -> bool:
    always = isinstance(node.test, ast.Constant) and bool(node.test.value)
    return always and not any(isinstance(one, ast.Break | ast.Return | ast.Raise) for one in ast.walk(node))
