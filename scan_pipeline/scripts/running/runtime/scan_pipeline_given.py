"""A script with the run's values given to it: in the syntax tree that is executed, never in its file.

What belongs here: assignments of the configured names at module level or under the main guard, and defaults of
argparse, which take the run's values; folders of another machine, which lead into the script's own. What does not:
which names are configured (`scripts/sidecar.py`). Line numbers stay those of the file.
"""

import ast
import os
import re
from datetime import datetime

#: Where people keep their files; text that begins so is a folder of somebody's machine. "/tmp" is everybody's.
_FOLDERS = re.compile(r"^/(Users|home|root|mnt|media|Volumes|tmp|var|content|kaggle|workspace)(/|$)")
#: How scripts write a day, tried in this order.
_DAYS = ("%Y-%m-%d", "%Y%m%d", "%m/%d/%Y", "%Y/%m/%d", "%d.%m.%Y", "%m-%d-%Y", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")
_ISO = re.compile(r"^\d{4}-\d{2}-\d{2}$")


def compile_script(config):
    """The script's code with the run's values, and its tree. Raises SyntaxError as Python would."""
    with open(config["script"], "rb") as file:
        tree = ast.parse(file.read(), filename=config["script"])
    given = _Given(config["parameters"])
    given.visit_statements(tree.body)
    _Folders(config["elsewhere"]).visit(tree)
    ast.fix_missing_locations(tree)
    return compile(tree, config["script"], "exec", dont_inherit=True), tree


class _Given:
    """Puts the values in place. Functions' own variables are theirs; argparse is met wherever it is."""

    def __init__(self, parameters):
        # `--start` is an option alone: a variable `start` may hold what is made of it.
        self.parameters = {name: value for name, value in parameters.items() if not name.startswith("-")}
        self.options = {name.lstrip("-").replace("-", "_"): value for name, value in parameters.items()}

    def visit_statements(self, statements):
        if not self.options:
            return
        for statement in statements:
            for node in _outside_functions(statement):
                if isinstance(node, ast.Assign):
                    for target in node.targets:
                        self._assign(node, target)
                elif isinstance(node, ast.AnnAssign) and node.value is not None:
                    name = getattr(node.target, "id", None)
                    if name in self.parameters:
                        node.value = written_like(node.value, self.parameters[name])
            for node in ast.walk(statement):
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
                    self._default(node)

    def _assign(self, node, target):
        if isinstance(target, ast.Name) and target.id in self.parameters:
            node.value = written_like(node.value, self.parameters[target.id])
        elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            for place, one in enumerate(target.elts[: len(node.value.elts)]):
                if isinstance(one, ast.Name) and one.id in self.parameters:
                    node.value.elts[place] = written_like(node.value.elts[place], self.parameters[one.id])

    def _default(self, call):
        names = [one.value.lstrip("-").replace("-", "_") for one in call.args if isinstance(one, ast.Constant)
                 and isinstance(one.value, str)]  # fmt: skip
        names += [one.value.value for one in call.keywords if one.arg == "dest" and isinstance(one.value, ast.Constant)]
        for name in names:
            if name in self.options:
                defaults = [one for one in call.keywords if one.arg == "default"]
                if not defaults:
                    defaults = [ast.keyword(arg="default", value=ast.Constant(None))]
                    call.keywords.append(defaults[0])
                defaults[0].value = written_like(defaults[0].value, self.options[name])
                call.keywords[:] = [one for one in call.keywords if one.arg != "required"]
                if all(isinstance(one, ast.Constant) and not one.value.startswith("-") for one in call.args):
                    call.keywords.append(ast.keyword(arg="nargs", value=ast.Constant("?")))


def _outside_functions(node):
    """The node and all below it, but for bodies of functions and classes."""
    yield node
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
        return
    for child in ast.iter_child_nodes(node):
        yield from _outside_functions(child)


def written_like(old, value):
    """The value as a node, written as the script writes it: its kind of date, its form of text."""
    if isinstance(value, str) and _ISO.match(value):
        day = datetime.strptime(value, "%Y-%m-%d")
        if isinstance(old, ast.Call):
            return _call_like(old, day)
        if isinstance(old, ast.Constant) and isinstance(old.value, str):
            return ast.Constant(day.strftime(_form(old.value)))
    if isinstance(value, list) and isinstance(old, (ast.List, ast.Tuple, ast.Set)) and old.elts:
        elements = [written_like(old.elts[0], one) for one in value]
        if isinstance(old, ast.Set):
            return ast.Set(elements) if elements else ast.Call(ast.Name("set", ast.Load()), [], [])
        return type(old)(elements, ast.Load())
    return ast.parse(repr(value), mode="eval").body


def _call_like(old, day):
    name = getattr(old.func, "attr", getattr(old.func, "id", ""))
    if name in ("date", "datetime") and len(old.args) >= 3:
        rest = old.args[3:]
        return ast.Call(old.func, [ast.Constant(n) for n in (day.year, day.month, day.day)] + rest, old.keywords)
    if name == "strptime" and len(old.args) == 2 and isinstance(old.args[1], ast.Constant):
        return ast.Call(old.func, [ast.Constant(day.strftime(old.args[1].value)), old.args[1]], old.keywords)
    if old.args and isinstance(old.args[0], ast.Constant) and isinstance(old.args[0].value, str):
        first = ast.Constant(day.strftime(_form(old.args[0].value)))
        return ast.Call(old.func, [first, *old.args[1:]], old.keywords)
    return ast.Constant(day.strftime("%Y-%m-%d"))


def _form(text):
    for form in _DAYS:
        try:
            datetime.strptime(text, form)
        except ValueError:
            continue
        return form
    return "%Y-%m-%d"


class _Folders(ast.NodeTransformer):
    """Folders of another machine lead into `elsewhere`; a file that is there is read where it is."""

    def __init__(self, elsewhere):
        self.elsewhere = elsewhere

    def visit_Constant(self, node):
        if isinstance(node.value, str) and _FOLDERS.match(node.value) and "\n" not in node.value:
            if os.path.isfile(node.value):
                return node
            path = self.elsewhere + node.value
            is_file = bool(os.path.splitext(path)[1])
            os.makedirs(os.path.dirname(path) if is_file else path, exist_ok=True)
            return ast.copy_location(ast.Constant(path), node)
        return node

    def visit_JoinedStr(self, node):
        # Only its begin can be a folder's; what follows may be a path of the vendor's.
        if node.values and isinstance(node.values[0], ast.Constant):
            text = node.values[0].value
            if isinstance(text, str) and _FOLDERS.match(text):
                os.makedirs(self.elsewhere + os.path.dirname(text), exist_ok=True)
                node.values[0] = ast.copy_location(ast.Constant(self.elsewhere + text), node.values[0])
        return node


def assigned_lines(tree):
    """Where each global was last assigned: name to line."""
    lines = {}
    shared = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}

    def see(node, names=None):
        for one in _outside_functions(node):
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store) and (names is None or one.id in names):
                lines[one.id] = max(lines.get(one.id, 0), one.lineno)

    for statement in tree.body:
        see(statement)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for statement in node.body:
                see(statement, shared)
    return lines
