"""Runs the script as `__main__` of this process, and keeps the tables among its globals when it has ended.

What belongs here: what happens in the script's main process alone. What does not: what holds in its children too
(`scan_pipeline_hook.py`), and judging what was found (`scripts/results/candidates.py`).
"""

import atexit
import gc
import json
import os
import signal
import sys
import types

import scan_pipeline_hook
from scan_pipeline_given import assigned_lines, compile_script

#: Larger tables are raw data, not hits: they are named, not kept.
MOST_ROWS = 100_000
_SCALARS = (str, int, float, bool, type(None))


def launch(config):
    """Run the script to its end, whatever that is; the exit code."""
    owner = os.getpid()
    signal.signal(signal.SIGUSR1, lambda *_: gc.collect())  # asked for when memory grows
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")
    open(os.path.join(config["folder"], "ready"), "w").close()
    module = types.ModuleType("__main__")
    module.__file__ = config["script"]
    module.__builtins__ = __builtins__
    sys.modules["__main__"] = module
    sys.argv = [config["script"], *config["arguments"]]
    sys.path[0] = os.path.dirname(config["script"])
    harvest = {"ended": "finished", "error": None, "traceback": None}
    lines = {}
    # Registered first, it runs last: after threads that the script left running, and its own last words.
    atexit.register(_keep, config, harvest, module, lines, owner)
    code = 0
    try:
        code_object, tree = compile_script(config)
        lines.update(assigned_lines(tree))
        exec(code_object, module.__dict__)
    except SystemExit as stop:
        if stop.code not in (None, 0):
            harvest.update(ended="crashed", error=f"exit: {stop.code}")
            code = stop.code if isinstance(stop.code, int) else 1
            if not isinstance(stop.code, int):
                print(stop.code, file=sys.stderr)
    except KeyboardInterrupt:
        harvest.update(ended="interrupted", error="KeyboardInterrupt")
        code = 130
    except BaseException as failure:
        import traceback

        # The frames of this file are none of the script's.
        told = "".join(traceback.format_exception(type(failure), failure, failure.__traceback__.tb_next))
        print(told, file=sys.stderr, end="")
        error = "".join(traceback.format_exception_only(type(failure), failure)).strip()
        harvest.update(ended="crashed", error=error, traceback=told)
        code = 1
    return code


def tables(names, lines):
    """The tables among the script's globals, and among the attributes of its own objects."""
    found = []
    for name, value in list(names.items()):
        if name.startswith("_") or isinstance(value, (types.ModuleType, type, types.FunctionType)):
            continue
        if type(value).__module__ == "__main__" and hasattr(value, "__dict__"):
            for attribute, inner in list(vars(value).items()):
                table = as_table(inner)
                if table:
                    found.append({"name": f"{name}.{attribute}", "assigned": lines.get(name), **table})
            continue
        table = as_table(value)
        if table:
            found.append({"name": name, "assigned": lines.get(name), **table})
    return found


def as_table(value):
    """Kind, columns and rows of a DataFrame or a list of rows; None for anything else."""
    kind = type(value)
    try:
        if kind.__name__ == "DataFrame" and kind.__module__.split(".")[0] == "pandas":
            return _frame(value)
        if kind.__name__ == "DataFrame" and kind.__module__.split(".")[0] == "polars":
            return _table("DataFrame", list(value.columns), value.height, value.iter_rows)
        if isinstance(value, (list, tuple)):
            return _rows(value)
    except Exception as error:
        return {"kind": kind.__name__, "columns": [], "rows": 0, "data": None, "why_no_data": f"unreadable: {error}"}
    return None


def _frame(frame):
    index = frame.index
    # An unnamed index of numbers only counts.
    is_count = index.nlevels == 1 and index.name is None and index.dtype.kind in "iu"
    if not is_count:
        names = [name if name is not None else f"index_{place}" if place else "index"
                 for place, name in enumerate(index.names)]  # fmt: skip
        frame = frame.set_axis(index.set_names(names), axis=0).reset_index(names=None, allow_duplicates=True)
    columns = ["_".join(map(str, one)) if isinstance(one, tuple) else str(one) for one in frame.columns]
    return _table("DataFrame", columns, len(frame), lambda: frame.itertuples(index=False, name=None))


def _rows(rows):
    if not rows:
        return {"kind": "list", "columns": [], "rows": 0, "data": [], "why_no_data": None} if isinstance(
            rows, list) else None  # fmt: skip
    first = rows[0]
    if hasattr(first, "_asdict"):
        rows = [one._asdict() for one in rows]
    elif hasattr(first, "__dataclass_fields__"):
        rows = [vars(one) if hasattr(one, "__dict__") else {} for one in rows]
    elif isinstance(first, (list, tuple)):
        width = len(first)
        if not width or not all(isinstance(one, (list, tuple)) and len(one) == width for one in rows):
            return None
        return _table("list", [str(place) for place in range(width)], len(rows), lambda: rows)
    if not all(isinstance(one, dict) for one in rows):
        return None
    columns = list(dict.fromkeys(str(name) for one in rows[:MOST_ROWS] for name in one))
    return _table("list", columns, len(rows), lambda: ([one.get(name) for name in columns] for one in rows))


def _table(kind, columns, count, rows):
    if count > MOST_ROWS:
        return {"kind": kind, "columns": columns, "rows": count, "data": None, "why_no_data": f"{count:,} rows"}
    data = [[_cell(cell) for cell in row] for row in rows()]
    return {"kind": kind, "columns": columns, "rows": count, "data": data, "why_no_data": None}


def _cell(cell):
    if type(cell) is float:
        return cell if cell - cell == 0 else None  # neither NaN nor infinite
    if isinstance(cell, _SCALARS) and type(cell).__module__ == "builtins":
        return cell
    if hasattr(cell, "isoformat"):
        return None if cell != cell else cell.isoformat()
    if hasattr(cell, "item") and getattr(cell, "ndim", 1) == 0:
        return _cell(cell.item())
    if type(cell).__name__ in ("NAType", "NaTType"):
        return None
    return str(cell)[:500]


def _keep(config, harvest, module, lines, owner):
    if os.getpid() != owner:
        return  # a fork that came to the end of the program
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # what it found is kept, whatever is pressed now
    harvest["globals"] = tables(vars(module), lines)
    recorded = os.path.join(config["folder"], "recorded.jsonl")
    harvest["recorded"] = []
    if os.path.exists(recorded):
        with open(recorded, encoding="utf-8") as lines:
            harvest["recorded"] = [json.loads(line) for line in lines][:1000]
    path = os.path.join(config["folder"], "harvest.json")
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump(harvest, file)
    os.replace(path + ".part", path)


if __name__ == "__main__":
    with open(os.environ[scan_pipeline_hook.CONFIG], encoding="utf-8") as text:
        given = json.load(text)
    code = launch(given)
    sys.stdout.flush()
    sys.exit(code)
