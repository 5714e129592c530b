"""The limits of the screen: what a person may set, typed, with defaults and units.

This is the one definition: settings nest it (`SCAN_SCREEN__MIN_PRICE`), the Launchpad shows it, `screen.py` applies it.
It imports nothing of ours, so that settings can read it.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: What the optional cap keeps first.
Priority = Literal["dollar_volume_20", "average_volume_20", "market_cap"]


class ScreenLimits(BaseModel):
    """Which symbols are worth scanning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_average_volume: float = Field(1_000_000, ge=0, description="Mean volume over 20 bars, in shares, at least.")
    min_price: float = Field(1.0, ge=0, description="Close, in dollars, at least.")
    max_price: float = Field(500.0, gt=0, description="Close, in dollars, at most.")
    min_market_cap: float = Field(500e6, ge=0, description="Market capitalisation, in dollars, at least, where known.")
    unknown_market_cap: Literal["pass", "reject"] = Field(
        "pass", description="What happens to a symbol whose market cap on the session is unknown; it is flagged."
    )
    min_bars_held: int = Field(60, ge=1, le=252, description="Bars held up to the session, at least.")
    max_symbols: int = Field(0, ge=0, description="Keep at most so many symbols, by priority. 0: no cap.")
    priority: Priority = Field("dollar_volume_20", description="What the cap keeps first: the largest of this.")

    @model_validator(mode="after")
    def _price_range(self) -> "ScreenLimits":
        if self.min_price > self.max_price:
            raise ValueError(f"min_price {self.min_price:g} is above max_price {self.max_price:g}")
        return self
