"""Where bars come from: the choice of a provider, and nothing else."""

from typing import TYPE_CHECKING

from scan_pipeline.providers.base import Provider, SymbolProvider
from scan_pipeline.sessions import Calendar
from scan_pipeline.settings import ALPACA_KEYS, Settings, alpaca_keys, massive_key

if TYPE_CHECKING:
    from scan_pipeline.providers.http import VendorClient


#: Providers that can tell a session's bars before its close.
WITH_SNAPSHOTS = ("massive",)
#: The vendor's addresses, of today and of before its new name: the same keys, the same answers.
VENDOR_ADDRESSES = ("https://api.massive.com", "https://api.polygon.io")


def make_provider(settings: Settings, calendar: Calendar) -> Provider | SymbolProvider:
    """The provider that SCAN_PROVIDER names."""
    match settings.provider:
        case "files":
            from scan_pipeline.providers.files import FilesProvider

            return FilesProvider(settings.files_path)
        case "massive":
            from scan_pipeline.providers.massive import MassiveProvider
            from scan_pipeline.providers.reference import ReferenceLists

            client = make_client(settings)
            lists = ReferenceLists(
                lambda: make_client(settings),
                lambda address: make_keyless_client(settings, address),
                has_contact=bool(settings.sec_contact),
                days=settings.reference_days,
                latest_closed=calendar.latest_closed,
            )
            return MassiveProvider(client.plan, lambda: make_client(settings), lists)
        case "alpaca":
            from scan_pipeline.providers.alpaca import AlpacaProvider
            from scan_pipeline.providers.reference import ReferenceLists

            alpaca_client = make_alpaca_client(settings)
            return AlpacaProvider(
                alpaca_client.plan,
                lambda: make_alpaca_client(settings),
                ReferenceLists(
                    None,
                    lambda address: make_keyless_client(settings, address),
                    has_contact=bool(settings.sec_contact),
                    days=settings.reference_days,
                    latest_closed=calendar.latest_closed,
                ),
                settings.alpaca_feed,
                settings.alpaca_symbols,
            )
        case "demo":
            from scan_pipeline.providers.demo import DemoProvider

            return DemoProvider(settings.cache_dir / "demo_market", settings.demo_symbols, calendar)


def make_client(settings: Settings) -> "VendorClient":
    """A client of the vendor, as the settings say. Raises SettingsError without a key."""
    from scan_pipeline.providers.http import VendorClient, plan_named

    return VendorClient(
        base_url=settings.massive_url,
        key=massive_key(),
        plan=plan_named(settings.massive_plan),
        ledger=settings.rate_ledger_path,
        concurrency=settings.massive_concurrency,
        timeout_seconds=settings.massive_timeout_seconds,
        tries=settings.massive_tries,
        aliases=VENDOR_ADDRESSES if settings.massive_url in VENDOR_ADDRESSES else (),
    )


def make_alpaca_client(settings: Settings) -> "VendorClient":
    """A client of Alpaca, as the settings say. Raises SettingsError without a key."""
    from scan_pipeline.providers.http import VendorClient, plan_named

    return VendorClient(
        base_url=settings.alpaca_url,
        key="",
        key_headers=alpaca_keys(),
        plan=plan_named(settings.alpaca_plan, "SCAN_ALPACA_PLAN"),
        ledger=settings.rate_ledger_path.with_name("alpaca_calls.sqlite"),
        concurrency=settings.massive_concurrency,
        timeout_seconds=settings.massive_timeout_seconds,
        tries=settings.massive_tries,
        key_setting=" and ".join(ALPACA_KEYS.values()),
        url_setting="SCAN_ALPACA_URL",
        plan_mend=(
            f"The key is not known, or its plan does not include this. Correct {' and '.join(ALPACA_KEYS.values())}, "
            "or set SCAN_ALPACA_FEED to a feed of the plan."
        ),
    )


def make_keyless_client(settings: Settings, address: str) -> "VendorClient":
    """A client of a source that needs no key, at the rate that the SEC allows; it asks for a contact."""
    from scan_pipeline.providers.http import Plan, VendorClient

    return VendorClient(
        base_url=address,
        key="",
        plan=Plan("keyless", 8, 1),
        ledger=settings.rate_ledger_path.with_name("keyless_calls.sqlite"),
        concurrency=2,
        timeout_seconds=settings.massive_timeout_seconds,
        tries=3,
        user_agent=f"scan_pipeline {settings.sec_contact}".strip(),
    )
