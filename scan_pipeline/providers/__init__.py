"""Where bars come from: the choice of a provider, and nothing else."""

from scan_pipeline.providers.base import Provider
from scan_pipeline.sessions import Calendar
from scan_pipeline.settings import Settings, massive_key


def make_provider(settings: Settings, calendar: Calendar) -> Provider:
    """The provider that SCAN_PROVIDER names."""
    match settings.provider:
        case "files":
            from scan_pipeline.providers.files import FilesProvider

            return FilesProvider(settings.files_path)
        case "massive":
            from scan_pipeline.providers.http import VendorClient, plan_named
            from scan_pipeline.providers.massive import MassiveProvider

            key, plan = massive_key(), plan_named(settings.massive_plan)

            def make_client() -> VendorClient:
                return VendorClient(
                    base_url=settings.massive_url,
                    key=key,
                    plan=plan,
                    ledger=settings.rate_ledger_path,
                    concurrency=settings.massive_concurrency,
                    timeout_seconds=settings.massive_timeout_seconds,
                    tries=settings.massive_tries,
                )

            return MassiveProvider(plan, make_client)
        case "demo":
            from scan_pipeline.providers.demo import DemoProvider

            return DemoProvider(settings.cache_dir / "demo_market", settings.demo_symbols, calendar)
