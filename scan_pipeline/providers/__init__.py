"""Where bars come from: the choice of a provider, and nothing else."""

from scan_pipeline.providers.base import Provider
from scan_pipeline.sessions import Calendar
from scan_pipeline.settings import Settings


def make_provider(settings: Settings, calendar: Calendar) -> Provider:
    """The provider that SCAN_PROVIDER names."""
    match settings.provider:
        case "files":
            from scan_pipeline.providers.files import FilesProvider

            return FilesProvider(settings.files_path)
        case "demo":
            from scan_pipeline.providers.demo import DemoProvider

            return DemoProvider(settings.cache_dir / "demo_market", settings.demo_symbols, calendar)
