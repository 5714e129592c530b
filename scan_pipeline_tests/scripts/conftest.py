"""What the tests of scripts share: environments, made once for all test processes, and a desk with the demo market."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from scan_pipeline.pipeline import Pipeline
from scan_pipeline.progress import Monitor
from scan_pipeline.providers.demo import LAST
from scan_pipeline.script_pipeline import ScriptPipeline
from scan_pipeline.scripts.library import add_script
from scan_pipeline.settings import Settings
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.scripts.expected import Market

#: The session as of which scripts are run: before the last one held, so that there is something to hide.
AS_OF = LAST

ScriptDesk = Callable[..., ScriptPipeline]


@pytest.fixture(scope="session")
def environments_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of environments that all test processes share: making one takes a while."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if base.name.startswith("popen-") else base) / "environments"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def scripts_store(demo_pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the demo market, its last session screened. Do not write to it; copy it."""
    folder = tmp_path_factory.mktemp("scripts_store")
    settings = demo_pipeline.settings
    shutil.copyfile(settings.database_path, folder / "scan.duckdb")
    pipeline = Pipeline(Settings(data_dir=folder, provider="files", files_path=settings.files_path))
    pipeline.build_universe([AS_OF])
    pipeline.screen([AS_OF], settings.screen)
    return folder / "scan.duckdb"


@pytest.fixture
def script_desk(
    scripts_store: Path, environments_dir: Path, settings_at: SettingsFactory, tmp_path: Path
) -> ScriptDesk:
    """`script_desk(example_path, sidecar="", **settings)`: a desk of its own with the script on it."""

    def make(*examples: Path, sidecar: str = "", **overrides: object) -> ScriptPipeline:
        settings = settings_at(tmp_path / "data", **overrides)
        shutil.copyfile(scripts_store, settings.database_path)
        settings.environments_dir.symlink_to(environments_dir)
        for example in examples:
            script = add_script(example, settings.scripts_dir)
            if sidecar:
                script.path.with_suffix(".toml").write_text(sidecar)
        said: list[str] = []
        return ScriptPipeline(Pipeline(settings, Monitor(log=said.append)))

    return make


@pytest.fixture(scope="session")
def plain_market(demo_pipeline: Pipeline) -> Market:
    """The demo market as plain tables, for the independent computation of what scripts must find."""
    with demo_pipeline.store.read() as connection:
        tables = [
            pd.DataFrame(connection.execute(query).fetchnumpy())
            for query in (
                "select session, symbol, open, high, low, close, volume from price_bars",
                "select symbol, ex_date, split_from, split_to, known_on from splits",
            )
        ]
    return Market(*tables)
