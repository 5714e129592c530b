"""What all tests share: settings that nothing outside can touch, the calendar, and two markets.

Tests use real files and a real database in a folder of their own. Nothing is read from the environment, from `.env` or
from the project's `data/`. Session-scoped fixtures are made once in each test process; the tests of a file share one.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from scan_pipeline.pipeline import Pipeline
from scan_pipeline.progress import Monitor
from scan_pipeline.providers.demo import make_market
from scan_pipeline.sessions import Calendar
from scan_pipeline.settings import PROJECT_DIR, Settings
from scan_pipeline_tests.desk import Desk
from scan_pipeline_tests.scans import find_few_scanners

#: How long an example takes says something about the machine, not about the product.
hypothesis.settings.register_profile("scan_pipeline", deadline=None, print_blob=True)
hypothesis.settings.load_profile("scan_pipeline")

#: Symbols of the demo market of the tests: with splits known on time, early and late, and few enough to be quick.
DEMO_SYMBOLS = 550

SettingsFactory = Callable[..., Settings]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with many slow tests come first: of two test processes, neither is left with a long file at the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(autouse=True, scope="session")
def _clean_environment() -> Iterator[None]:
    """No variable of the person who runs the tests reaches them, nor the processes that they start."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SCAN_") or name == "DAGSTER_HOME"]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def calendar_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with the calendar in it, so that only one test asks exchange_calendars."""
    folder = tmp_path_factory.mktemp("calendar_cache")
    Calendar.load(folder)
    return folder


@pytest.fixture(scope="session")
def calendar(calendar_cache: Path) -> Calendar:
    """The exchange calendar."""
    return Calendar.load(calendar_cache)


@pytest.fixture(scope="session")
def settings_at(calendar_cache: Path) -> SettingsFactory:
    """`settings_at(data_dir, **overrides)`: settings with these values and the defaults for the rest."""

    def make(data_dir: Path, **overrides: object) -> Settings:
        settings = Settings(data_dir=data_dir, **overrides)
        shutil.copytree(calendar_cache, settings.cache_dir, dirs_exist_ok=True)
        return settings

    return make


@pytest.fixture
def settings_for(settings_at: SettingsFactory, tmp_path: Path) -> SettingsFactory:
    """`settings_for(**overrides)`: as `settings_at`, with the data in `tmp_path / "data"`."""

    def make(**overrides: object) -> Settings:
        return settings_at(tmp_path / "data", **overrides)

    return make


@pytest.fixture
def desk(settings_for: SettingsFactory, tmp_path: Path) -> Desk:
    """An empty feed and a pipeline that reads it with the provider `files`."""
    said: list[str] = []
    feed = tmp_path / "market" / "feed"
    feed.mkdir(parents=True)
    return Desk(Pipeline(settings_for(provider="files", files_path=feed), Monitor(log=said.append)), feed, said)


@pytest.fixture(scope="session")
def demo_market(tmp_path_factory: pytest.TempPathFactory, calendar: Calendar) -> Path:
    """A small demo market: the folder that holds `feed/`, `splits.csv` and `symbols.csv`. Do not write to it."""
    folder = tmp_path_factory.mktemp("demo") / "market"
    make_market(folder, DEMO_SYMBOLS, calendar)
    return folder


@pytest.fixture(scope="session")
def demo_pipeline(
    tmp_path_factory: pytest.TempPathFactory, settings_at: SettingsFactory, demo_market: Path, calendar: Calendar
) -> Pipeline:
    """A pipeline that holds the demo market's splits and all its bars. Do not write to it; copy its database."""
    data_dir = tmp_path_factory.mktemp("demo_store")
    pipeline = Pipeline(settings_at(data_dir, provider="files", files_path=demo_market / "feed"))
    first, last = pipeline.provider().held() or (None, None)
    assert first
    assert last
    pipeline.record_splits()
    list(pipeline.ingest(calendar.between(first, last), "demo"))
    return pipeline


@pytest.fixture(scope="module")
def few_built_in() -> Iterator[None]:
    """Pipelines of this process find few of the built-in scanners: for tests that scan again and again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scan_pipeline.pipeline.find_scanners", find_few_scanners)
        yield


@pytest.fixture(scope="module")
def few_built_in_jobs(few_built_in: None) -> Iterator[None]:
    """And so do the runs of Dagster, which tell of each scanner in many events."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("definitions", "defs.assets"):
            patch.setattr(f"scan_pipeline.{module}.find_scanners", find_few_scanners)
        yield


@pytest.fixture(scope="session")
def real_market() -> Path:
    """The folder of real bars beside the checkout: `feed/`, `splits.csv`, `symbols.csv`."""
    folder = PROJECT_DIR.parent / "shared" / "market"
    if not (folder / "feed").is_dir():
        pytest.skip("needs the real market data in ../shared/market, which is not part of the repository")
    return folder


@pytest.fixture(scope="session")
def real_feed(real_market: Path) -> Path:
    """The real feed's folder of Parquet files."""
    return real_market / "feed"
