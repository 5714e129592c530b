"""The file beside a script: `my_scan.toml` says how `my_scan.py` is run, so that the script itself is never changed.

What belongs here: what such a file may say, the values that a run gives to the script, the text that is proposed, and
changing one line of a person's text. What does not: finding out what a script is (`inspection.py`), and putting values
into it (`runtime/scan_pipeline_given.py`).

Texts among parameters and arguments may hold `{session}` (the last session of the run), `{from}` and `{to}` (its first
and last), each also as `{from-120}`: so many days earlier. A whole value may be `{sessions}` (a list of all sessions of
the run) or `{symbols}` (a list of the symbols that the shard is shown, put in when it starts). Days are ISO text; the
script gets them in the form that it writes itself.
"""

import re
from collections.abc import Sequence
from datetime import date, time, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from scan_pipeline.errors import ScriptError
from scan_pipeline.scripts.inspecting.inspection import Inspection

SYMBOLS = "{symbols}"
SESSIONS = "{sessions}"
_DAY = re.compile(r"\{(session|from|to)(?:-(\d{1,5}))?\}")
_ANY = re.compile(r"\{[A-Za-z_]+[^{}\s]*\}")
_RESULT = re.compile(r"^(|stdout|global:[^\W\d]\w*(\.[^\W\d]\w*)?|file:[^/\\].*)$")
_REQUIREMENT = re.compile(r"^\s*[A-Za-z0-9]")


class Sidecar(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a script is run. Everything may be left out.

    `result` pins where hits are taken from: `global:out`, `file:hits.csv` or `stdout`. `shards = 1` runs it whole;
    `screen = false` shows it symbols that did not pass the screen too. `python` is a Python of the user's, whose
    packages the script gets; `requirements` stands for the packages that would be chosen by its imports.
    """

    title: str = ""
    parameters: dict[str, Any] = {}
    result: str = ""
    shards: Annotated[int, Meta(ge=1, le=64)] | None = None
    screen: bool | None = None
    timeout_seconds: Annotated[float, Meta(gt=0)] | None = None
    memory_mib: Annotated[int, Meta(ge=64)] | None = None
    python: Path | None = None
    requirements: list[str] | None = None
    arguments: list[str] = []

    @property
    def takes_range(self) -> bool:
        """Whether one run answers for a range of sessions: it is told where the range begins or ends, or all of it."""
        texts = [*_texts(self.parameters), *self.arguments]
        return any(
            text == SESSIONS or any(match[1] in ("from", "to") for match in _DAY.finditer(text)) for text in texts
        )

    def parameters_for(self, first: date, as_of: date, sessions: Sequence[date]) -> dict[str, Any]:
        """The script's values in a run over `sessions`, from `first` to `as_of`. `{symbols}` is left for the shard."""
        return {name: _filled(value, first, as_of, sessions) for name, value in self.parameters.items()}

    def arguments_for(self, first: date, as_of: date) -> list[str]:
        """The script's arguments in a run from `first` to `as_of`."""
        return [_fill(text, first, as_of) for text in self.arguments]


def read_sidecar(path: Path) -> Sidecar:
    """The file at `path`, or the defaults where there is none. Raises ScriptError that names file and key."""
    try:
        sidecar = msgspec.toml.decode(path.read_bytes(), type=Sidecar, dec_hook=_to_path)
    except FileNotFoundError:
        return Sidecar()
    except msgspec.ValidationError as error:
        raise ScriptError(f"{path}: {_in_words(str(error))}. Correct it, or remove the line.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ScriptError(f"{path} is not TOML: {error}. Correct it; texts stand in quotes.") from error
    except OSError as error:
        raise ScriptError(f"{path} cannot be read: {error.strerror}.") from error
    if fault := next(_faults(sidecar), ""):
        raise ScriptError(f"{path}: {fault}")
    if sidecar.python is not None:
        # A virtual environment's Python is a link: following it would lead out of the environment.
        python = path.parent.absolute() / sidecar.python.expanduser()
        return msgspec.structs.replace(sidecar, python=python)
    return sidecar


def pin(path: Path, key: str, value: bool | int | str, why: str = "") -> None:
    """Set one key in the file at `path`, which is made where there is none; all else in it stays as it is."""
    # Bytes, because a text file's line ends would not survive.
    text = path.read_bytes().decode("utf-8") if path.exists() else ""
    try:
        changed = pinned(text, key, value, why)
    except ValueError as error:
        raise ScriptError(f"{path}: {error}. Set `{key} = {_toml(value)}` in it yourself.") from error
    aside = path.with_name(f".{path.name}.new")
    aside.write_bytes(changed.encode("utf-8"))
    aside.replace(path)


def pinned(text: str, key: str, value: bool | int | str, why: str = "") -> str:
    """A sidecar's text with `key = value` in it, comments kept; `why` becomes the line's comment.

    A line that sets the key is changed, else the first that proposes it in a comment, else a line is put first, where
    no table has begun. Raises ValueError where the text is not TOML, or says it in a way that is not understood.
    """
    wanted = msgspec.toml.decode(text) | {key: value}
    lines = text.splitlines(keepends=True)
    end = next((line[len(line.rstrip("\r\n")) :] for line in lines), "") or "\n"
    new = f"{key} = {_toml(value)}" + (f"  # {why}" if why else "")
    sets, proposes = (
        re.compile(rf"^{mark}[ \t]*(?:{re.escape(key)}|\"{re.escape(key)}\"|'{re.escape(key)}')[ \t]*=")
        for mark in ("", "[ \t]*#")
    )
    ways = [
        [*lines[:number], new + ("" if why else _comment_of(line)) + end, *lines[number + 1 :]]
        for number, line in enumerate(lines)
        if sets.match(line.lstrip())
    ]
    ways += [
        [*lines[:number], new + end, *lines[number + 1 :]] for number, line in enumerate(lines) if proposes.match(line)
    ]
    for changed in [*ways, [new + end, *lines]]:
        try:
            # A line may stand in the midst of a text or below a table's name: what it comes to is what counts.
            if msgspec.toml.decode("".join(changed)) == wanted:
                return "".join(changed)
        except msgspec.DecodeError:
            continue
    raise ValueError(f"`{key}` is set in a way that cannot be changed here")


def proposed_sidecar(inspection: Inspection) -> str:
    """The text that is written beside a new script: all that can be said, in comments. As it stands it changes nothing.

    Lines that begin with `# ` and a key or a table's name are TOML once that mark is taken away.
    """
    name = inspection.path.stem
    results = [one.source for one in inspection.results if _RESULT.match(one.source) and "*" not in one.source]
    lines = [
        f"# How scan_pipeline runs {inspection.path.name}, which itself is never changed. All of this is optional:",
        "# take the mark `# ` from the front of a line to use it.",
        "",
        f"# title = {_toml(name.replace('_', ' ').capitalize())}",
        "",
        '# Where hits are taken from: "global:NAME", "file:NAME.csv" or "stdout". Without it, they are looked for.',
        f"# result = {_toml(next(iter(results), 'global:out'))}",
        "",
        "# One shard, for a script that compares symbols with each other; `scan-pipeline script check` finds that out.",
        "# shards = 1",
        "# Show it all symbols, not only those that passed the screen.",
        "# screen = false",
        "",
        "# Limits of one shard, where those of the settings do not fit.",
        "# timeout_seconds = 600",
        "# memory_mib = 4000",
        "",
        "# Arguments as on its command line. {session}, {from} and {to} are days of the run.",
        '# arguments = ["--end", "{session}"]',
        "",
        "# Packages instead of those that its imports call for, or a Python of yours that has them.",
        '# requirements = ["pandas==2.3.3", "requests"]',
        '# python = "~/venvs/trading/bin/python"',
        "",
        "# Values that it takes instead of its own when it runs. {session} is the last session of the run, {from} and",
        "# {to} its first and last, {from-120} is 120 days earlier, {sessions} a list of all, {symbols} a list of the",
        "# symbols that it is shown. With {from}, {to} or {sessions}, a range of sessions is one run.",
    ]
    proposals = inspection.parameters
    lines.append("# [parameters]")
    lines += [f"# {_key(one.name)} = {_toml(one.proposed)}  # line {one.line}: {one.present}" for one in proposals]
    if not proposals:
        lines.append("# Nothing was found that could be given: no day and no list of symbols stands outside functions.")
    return "\n".join(lines) + "\n"


def _filled(value: Any, first: date, as_of: date, sessions: Sequence[date]) -> Any:
    if isinstance(value, str):
        return [day.isoformat() for day in sessions] if value == SESSIONS else _fill(value, first, as_of)
    if isinstance(value, list):
        return [_filled(one, first, as_of, sessions) for one in value]
    if isinstance(value, dict):
        return {key: _filled(one, first, as_of, sessions) for key, one in value.items()}
    # TOML has days and times of its own; a script's are text.
    return value.isoformat() if isinstance(value, date | time) else value


def _fill(text: str, first: date, as_of: date) -> str:
    def day(match: re.Match[str]) -> str:
        return ((first if match[1] == "from" else as_of) - timedelta(days=int(match[2] or 0))).isoformat()

    return _DAY.sub(day, text)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return [value] if isinstance(value, str) else []


def _faults(sidecar: Sidecar) -> Any:
    days = "{session}, {from} and {to}, each also as {from-120}"
    if not _RESULT.match(sidecar.result) or ".." in sidecar.result.split("/"):
        yield (
            f"`result` = {sidecar.result!r} is no place for a result. Those that are: global:NAME, file:NAME.csv "
            "(a path in the script's own folder), stdout."
        )
    for requirement in sidecar.requirements or []:
        if not _REQUIREMENT.match(requirement):
            yield (
                f"`requirements` holds {requirement!r}, which names no package. Write it as in "
                "requirements.txt, without options."
            )
    for name, value in sidecar.parameters.items():
        for text in _texts(value):
            whole = text in (SESSIONS, SYMBOLS)
            if unknown := None if whole else next(iter(_ANY.findall(_DAY.sub("", text))), None):
                yield (
                    f"`parameters.{name}` = {text!r} holds {unknown}, which is no value of a run. Those that are: "
                    f"{days}; as whole values {SESSIONS} and {SYMBOLS}."
                )
        if SYMBOLS in _texts(value) and value != SYMBOLS:
            yield f"`parameters.{name}`: {SYMBOLS} stands for a list, so it must be the whole value."
    for text in sidecar.arguments:
        if unknown := next(iter(_ANY.findall(_DAY.sub("", text))), None):
            yield f"`arguments` holds {unknown}, which no argument can take. Those that it can: {days}."


def _in_words(message: str) -> str:
    """msgspec's message with the key first: "Expected `int`, got `str` - at `$.shards`" """
    what, _, where = message.partition(" - at ")
    where = where.strip("`").removeprefix("$.").removeprefix("$")
    if found := re.match(r"Object contains unknown field `(.*)`", what):
        fields = ", ".join(field.name for field in msgspec.structs.fields(Sidecar))
        return f"there is no key `{found[1]}`. Those that are: {fields}"
    return f"`{where}` is not usable: {what[:1].lower()}{what[1:]}"


def _comment_of(line: str) -> str:
    """The comment behind the value that a line sets: from the first mark without which it says the same."""
    line = line.rstrip("\r\n")
    for mark in re.finditer(r"[ \t]*#", line):
        try:
            if msgspec.toml.decode(line[: mark.start()]) == msgspec.toml.decode(line):
                return line[mark.start() :]
        except msgspec.DecodeError:
            continue
    return ""


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _toml(value: bool | int | float | str) -> str:
    """A value as TOML writes it: JSON does for these."""
    return msgspec.json.encode(value).decode()


def _to_path(kind: type, value: Any) -> Path:
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise ValueError("expected the path of a Python")
