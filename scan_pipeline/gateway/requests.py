"""Reading requests: dates, tickers, limits and cursors, and the vendor's refusals of what cannot be read.

What belongs here: what a parameter may be, and the status and body of a refusal. What does not: what is answered.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from scan_pipeline.sessions import NEW_YORK

_TICKER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-/+*:]{0,31}")


@dataclass(frozen=True)
class Reply:
    """What a request is answered with."""

    answer: dict[str, Any] | list[Any]
    #: Where the next page begins; None on the last one.
    place: str | None = None
    #: What was asked for that is not held, in words; empty where all of it was there.
    lacking: str = ""


class Refusal(Exception):
    """A request that is answered with an error: HTTP status and the vendor's words."""

    def __init__(self, status: int, words: str, lacking: str = "") -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        #: What was asked for that the store cannot hold, in words, where that is why.
        self.lacking = lacking

    @property
    def body(self) -> dict[str, str]:
        """The vendor's body: 403 and 404 carry a status and a message, others an error."""
        if self.status in (403, 404):
            return {"status": {403: "NOT_AUTHORIZED", 404: "NOT_FOUND"}[self.status], "message": self.words}
        return {"status": "ERROR", "error": self.words}


def read_day(text: str, name: str = "date") -> date:
    """A day as YYYY-MM-DD, or as milliseconds since 1970, of which the day in New York is meant."""
    try:
        if re.fullmatch(r"-?\d{9,}", text):
            return datetime.fromtimestamp(int(text) / 1000, NEW_YORK).date()
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return date.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        pass
    raise Refusal(400, f"Could not parse the parameter: {name}. Use YYYY-MM-DD or a millisecond timestamp.")


def read_ticker(text: str) -> str:
    """A ticker; case-sensitive, as the vendor writes it."""
    if not _TICKER.fullmatch(text):
        raise Refusal(400, f"Could not parse the parameter: ticker '{text[:40]}'.")
    return text


def read_flag(query: Mapping[str, str], name: str, default: bool) -> bool:
    """`true` or `false`."""
    text = query.get(name, "").lower()
    if text not in ("", "true", "false", "1", "0"):
        raise Refusal(400, f"Could not parse the parameter: {name}. Use true or false.")
    return text in ("true", "1") if text else default


def read_limit(query: Mapping[str, str], default: int, most: int) -> int:
    """A whole number from 1; more than `most` is refused."""
    return read_count(query["limit"], "limit", most) if query.get("limit") else default


def read_count(text: str, name: str, most: int) -> int:
    """A whole number from 1 to `most`."""
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise Refusal(400, f"Could not parse the parameter: {name}. Use a whole number from 1 to {most}.")
    return int(text)


def read_choice(query: Mapping[str, str], name: str, choices: Mapping[str, str], default: str) -> str:
    """What the given word stands for."""
    word = query.get(name) or default
    if word not in choices:
        raise Refusal(400, f"Could not parse the parameter: {name}. Use one of {', '.join(choices)}.")
    return choices[word]


def has_key(query: Mapping[str, str], authorization: str) -> bool:
    """Whether a request carries a key, in its query or its header. Any key is good, and none is looked at."""
    return authorization.startswith("Bearer ") or any(is_key(name) and value for name, value in query.items())


def is_key(name: str) -> bool:
    """Whether a parameter of that name is a key, however it is spelt: it is not kept, logged or passed on."""
    return name.lower().replace("_", "") == "apikey"


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding names gzip, other than with the weight 0."""
    return re.search(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", accepted, re.IGNORECASE) is not None


def to_cursor(query: Mapping[str, str], place: str) -> str:
    """An opaque word that holds the query and where its next page begins. It holds no key."""
    kept = {name: value for name, value in query.items() if name != "cursor" and not is_key(name)} | {"_place": place}
    return base64.urlsafe_b64encode(urlencode(kept).encode()).decode().rstrip("=")


def from_cursor(query: Mapping[str, str]) -> dict[str, str]:
    """The query that a cursor stands for, with `_place`; the query itself where it has none."""
    if "cursor" not in query:
        return {name: value for name, value in query.items() if name != "_place"}
    word = query["cursor"]
    try:
        kept = dict(parse_qsl(base64.urlsafe_b64decode(word + "=" * (-len(word) % 4)).decode()))
    except (binascii.Error, ValueError):
        kept = {}
    if "_place" not in kept:
        raise Refusal(400, "Could not parse the parameter: cursor.")
    return kept
