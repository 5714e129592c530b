"""Shards as scripts leave them behind: folders with a harvest, an output and files, made in a line each."""

import json
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from scan_pipeline.scripts.results.candidates import Found, look
from scan_pipeline.scripts.results.columns import word_set
from scan_pipeline.scripts.results.merging import FoundHit, Merged, merge
from scan_pipeline.scripts.results.outcome import Choice, choose

AS_OF = date(2016, 3, 24)
KNOWN = word_set("AAPL MSFT TSLA AMD SPY BRK.B KIMpL AHACW A T ON ALL NOW LOW FAST NA NAN NULL TRUE DATE")

#: Hits as (symbol, day, gap).
HITS = [("AAPL", "2016-03-21", 5.25), ("BRK.B", "2016-03-22", -1.5), ("NA", "2016-03-23", 2.0)]


def records(hits: Sequence[tuple[Any, ...]] = HITS) -> list[dict[str, Any]]:
    """Hits as a script's list of dicts."""
    return [{"ticker": symbol, "date": day, "gap": gap} for symbol, day, gap in hits]


def frame(name: str, hits: Sequence[tuple[Any, ...]] = HITS, line: int | None = 100, **more: Any) -> dict[str, Any]:
    """A DataFrame among a script's variables, as the launcher keeps it."""
    columns = ["ticker", "date", "gap"]
    kept = {"columns": columns, "rows": len(hits), "data": [list(hit) for hit in hits], "why_no_data": None}
    return {"name": name, "kind": "DataFrame", "assigned": line} | kept | more


def rows(name: str, hits: Sequence[tuple[Any, ...]] = HITS, line: int | None = 100, **more: Any) -> dict[str, Any]:
    """A list of dicts among a script's variables; an empty list has no columns."""
    return frame(name, hits, line, kind="list", **({} if hits else {"columns": []}), **more)


class Run:
    """A run's folder, to which shards are added."""

    def __init__(self, folder: Path, known: frozenset[str] | None = KNOWN) -> None:
        self.folder = folder
        self.known = known
        self.founds: list[Found] = []

    def shard(
        self,
        *variables: dict[str, Any],
        printed: str = "",
        files: dict[str, str | bytes] | None = None,
        ended: str | None = "finished",
        error: str | None = None,
    ) -> Found:
        """Add a shard that left this behind; `ended` None: it was killed hard. Later files were written later."""
        folder = self.folder / f"shard-{len(self.founds) + 1:02}"
        (folder / "work").mkdir(parents=True)
        (folder / "stdout.txt").write_text(printed, encoding="utf-8")
        if ended is not None:
            harvest = {"ended": ended, "error": error, "traceback": None, "globals": variables, "recorded": []}
            (folder / "harvest.json").write_text(json.dumps(harvest), encoding="utf-8")
        for place, (name, content) in enumerate((files or {}).items()):
            path = folder / "work" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            set_written(path, 1_000_000 + place)
        self.founds.append(look(folder, self.known, AS_OF))
        return self.founds[-1]

    def choose(self, pinned: str = "") -> Choice:
        """The choice over all shards."""
        return choose(self.founds, pinned)

    def merge(self, pinned: str = "") -> Merged:
        """The hits of all shards."""
        return merge(self.choose(pinned), AS_OF, self.known)


def set_written(path: Path, at: float) -> None:
    """Let the file be written at that time."""
    os.utime(path, (at, at))


def pairs(hits: Sequence[FoundHit]) -> list[tuple[str, str]]:
    """Symbols and days of hits, in order."""
    return [(hit.symbol, str(hit.session)) for hit in hits]


def only_pairs(hits: Sequence[tuple[Any, ...]] = HITS) -> list[tuple[str, str]]:
    """Symbols and days, newest first."""
    return sorted(((symbol, day) for symbol, day, *_ in hits), key=lambda pair: pair[1], reverse=True)


def csv_of(hits: Sequence[tuple[Any, ...]] = HITS, header: str = "ticker,date,gap") -> str:
    """Hits as a script's CSV."""
    return "\n".join([header, *(",".join(map(str, hit)) for hit in hits)]) + "\n"


def lines_of(hits: Sequence[tuple[Any, ...]] = HITS) -> str:
    """Hits as printed lines."""
    return "".join(f"{symbol} {day} gap={gap}\n" for symbol, day, gap in hits)
