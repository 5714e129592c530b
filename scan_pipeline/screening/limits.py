"""The limits of the screen: what a person may set, typed, with defaults and units.

This is the one definition: settings nest it (`SCAN_SCREEN__MIN_PRICE`), the Launchpad shows it, `screen.py` applies it.
It imports nothing of ours, so that settings can read it.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

#: What the optional cap keeps first.
Priority = Literal["dollar_volume_20", "average_volume_20", "market_cap"]


class ScreenLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which symbols are worth scanning. Raises ValueError for limits that contradict each other."""

    min_average_volume: Annotated[float, Meta(ge=0, description="Mean volume over 20 bars, in shares, at least.")] = 1e6
    min_price: Annotated[float, Meta(ge=0, description="Close, in dollars, at least.")] = 1.0
    max_price: Annotated[float, Meta(gt=0, description="Close, in dollars, at most.")] = 500.0
    min_market_cap: Annotated[
        float, Meta(ge=0, description="Market capitalisation, in dollars, at least, where known.")
    ] = 500e6
    unknown_market_cap: Annotated[
        Literal["pass", "reject"],
        Meta(description="What happens to a symbol whose market cap on the session is unknown; it is flagged."),
    ] = "pass"
    min_bars_held: Annotated[int, Meta(ge=1, le=252, description="Bars held up to the session, at least.")] = 60
    max_symbols: Annotated[int, Meta(ge=0, description="Keep at most so many symbols, by priority. 0: no cap.")] = 0
    priority: Annotated[Priority, Meta(description="What the cap keeps first: the largest of this.")] = (
        "dollar_volume_20"
    )

    def __post_init__(self) -> None:
        if self.min_price > self.max_price:
            raise ValueError(f"min_price {self.min_price:g} is above max_price {self.max_price:g}")
