"""The rules that decide whether a delivered row is a bar.

Each rule is a name, a sentence and a condition in SQL over the row as read: `symbol`, `day` (the row's date), `open`,
`high`, `low`, `close`, `volume`, all null where the raw value could not be read; `raw_symbol` and `raw_day` as
delivered; `is_session` whether the day is in the calendar. The first rule that holds rejects the row. The last rule,
`duplicate`, compares rows with each other and is applied by `store/bars.py`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class BarRule:
    """One reason why a row is no bar."""

    name: str
    description: str
    condition: str


RULES = (
    BarRule(
        "header_line",
        "A header that slipped in as a row.",
        "day is null and lower(raw_symbol) in ('symbol', 'ticker')",
    ),
    BarRule("unparsable", "The symbol, the date, a price or the volume is missing or cannot be read.",
            "symbol is null or day is null or open is null or high is null or low is null or close is null "
            "or volume is null or isnan(open + high + low + close + volume) "
            "or isinf(open + high + low + close + volume)"),
    BarRule("not_a_session", "The exchange was closed on that day.", "not is_session"),
    BarRule("price_not_positive", "A price is zero or negative.", "least(open, high, low, close) <= 0"),
    BarRule("high_below_low", "The high is below the low.", "high < low"),
    BarRule("open_outside_range", "The open is above the high or below the low.", "open > high or open < low"),
    BarRule("close_outside_range", "The close is above the high or below the low.", "close > high or close < low"),
    BarRule("negative_volume", "The volume is negative.", "volume < 0"),
)  # fmt: skip

#: Two rows for the same bar in the same delivery: the later line wins. The bar itself is not lost.
DUPLICATE = BarRule("duplicate", "The same bar again in the same delivery; the later line stands.", "")


def first_broken_rule() -> str:
    """A SQL expression: the name of the first rule that rejects the row, or null."""
    return "case " + " ".join(f"when {rule.condition} then '{rule.name}'" for rule in RULES) + " end"
