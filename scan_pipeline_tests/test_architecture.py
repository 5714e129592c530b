"""The rooms of the product, and which way they may know each other: read from its source, without running it."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from scan_pipeline.settings import PROJECT_DIR

PACKAGE = PROJECT_DIR / "scan_pipeline"
MODULES = {
    ".".join(path.relative_to(PROJECT_DIR).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
#: What costs a run that does not need it a third of its time.
HEAVY = ("pandas", "pyarrow", "exchange_calendars", "rich", "dagster", "talib", "psutil")
#: Rooms that the layers below are kept from.
ROOMS = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
#: The use cases, which join the layers.
JOINED = ("pipeline", "script_pipeline", "python_pipeline", "authoring_pipeline", "checking_pipeline")
JOINING = {"scan_pipeline.pipeline", "scan_pipeline.definitions", "scan_pipeline.cli", "scan_pipeline.defs"}


def imports(module: str) -> set[str]:
    """The modules that a module imports, wherever in its code; names imported from a module count as its own too."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(part for part in (base, node.module or "") if part)
            found |= {source, *(f"{source}.{alias.name}" for alias in node.names)}
    return found


def within(module: str, *rooms: str) -> bool:
    """Whether a module is one of the rooms, or in one."""
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def forbidden(rooms: tuple[str, ...], others: tuple[str, ...]) -> list[str]:
    """Every import by which a module of `rooms` knows one of `others`."""
    ours = [f"scan_pipeline.{room}" for room in rooms]
    theirs = [f"scan_pipeline.{other}" for other in others]
    return [
        f"{module} imports {imported}"
        for module in MODULES
        if within(module, *ours)
        for imported in sorted(imports(module))
        if within(imported, *theirs)
    ]


def test_the_source_is_read_as_a_whole() -> None:
    assert {"scan_pipeline.pipeline", "scan_pipeline.features.catalogue", "scan_pipeline.store"} <= set(MODULES)
    assert "dagster" in imports("scan_pipeline.definitions")
    assert "scan_pipeline.features.bars.BarBlock" in imports("scan_pipeline.features.indicators")


def test_only_the_definitions_know_dagster() -> None:
    knowing = {
        module
        for module in MODULES
        if any(within(imported, "dagster", "dagster_webserver", "dagster_graphql") for imported in imports(module))
    }
    assert knowing
    assert {
        module for module in knowing if not within(module, "scan_pipeline.definitions", "scan_pipeline.defs")
    } == set()


@pytest.mark.parametrize(
    ("rooms", "others"),
    [
        (("providers", "store"), ("scanners",)),
        (("features",), ("store", "providers", "scanners", "screening")),
        (("changes",), ("providers", "scanners", "screening")),
        (("scripts",), ("store", "providers", "gateway", "scanners", "screening")),
        (("gateway",), ("scripts", "scanners", "screening", "features", "settings")),
        (("stages",), ("providers", "settings")),
        (("scanners",), ("providers", "store", "screening")),
        (("screening",), ("providers", "scanners", "store")),
        (("providers",), ("store", "features", "screening")),
        (("sessions", "schema", "errors", "progress", "hits"), tuple(sorted(ROOMS | {"pipeline", "settings"}))),
    ],
    ids=lambda rooms: " and ".join(rooms[:2]),
)
def test_imports_run_one_way(rooms: tuple[str, ...], others: tuple[str, ...]) -> None:
    assert forbidden(rooms, others) == []


def test_no_layer_knows_those_who_join_the_layers() -> None:
    layers = (
        "providers", "store", "screening", "features", "scanners", "scripts", "gateway", "changes", "sessions",
        "schema", "settings", "progress",
    )  # fmt: skip
    assert forbidden(layers, (*JOINED, "stages", "definitions", "defs", "cli", "report")) == []
    assert forbidden((*JOINED, "stages"), ("definitions", "defs", "cli")) == []


def test_modules_import_each_other_without_a_circle() -> None:
    edges = {module: {name for name in imports(module) if name in MODULES and name != module} for module in MODULES}
    # `from scan_pipeline.store import migrations` imports the package too, which imports nothing of its rooms.
    left = dict(edges)
    while free := [module for module, needs in left.items() if not needs & set(left)]:
        for module in free:
            del left[module]
    assert sorted(left) == []


def loaded_by(statement: str, *modules: str) -> list[str]:
    """Which of the modules a fresh Python has loaded after the statement."""
    program = f"{statement}\nimport sys, json\nprint(json.dumps([name for name in {modules} if name in sys.modules]))"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=PROJECT_DIR, timeout=120, check=True
    )
    loaded: list[str] = json.loads(run.stdout.splitlines()[-1])
    return loaded


def test_importing_the_pipeline_loads_nothing_heavy() -> None:
    assert loaded_by("import scan_pipeline.pipeline", *HEAVY) == []
    assert loaded_by("import scan_pipeline.pipeline", "duckdb", "numpy") == ["duckdb", "numpy"]


def test_the_command_line_starts_without_dagster_and_pandas() -> None:
    assert loaded_by("import scan_pipeline.cli.main", "dagster", "pandas", "pyarrow", "exchange_calendars") == []


def test_computing_features_loads_talib_without_pandas() -> None:
    statement = (
        "from scan_pipeline.features.indicators import talib_function\nimport numpy as np\n"
        "assert talib_function('SMA')(np.arange(5.0), timeperiod=2)[-1] == 3.5"
    )
    assert loaded_by(statement, "talib", "pandas", "polars") == ["talib"]


def test_pandas_can_still_be_imported_after_features_were_computed() -> None:
    statement = "from scan_pipeline.features.indicators import talib_function\ntalib_function('SMA')\nimport pandas"
    assert loaded_by(statement, "pandas") == ["pandas"]


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        module
        for module, path in MODULES.items()
        if path.read_text(encoding="utf-8").strip()
        and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_tests_mirror_the_tree() -> None:
    """A folder of tests is a folder of the product, so that the tests of a room are found without a search."""
    tests = Path(__file__).parent
    folders = {path.parent.name for path in tests.rglob("test_*.py") if path.parent != tests}
    assert folders <= ROOMS
