"""SQL scanners tried on sessions: a bench with what they alone ask for, and nothing stored.

What belongs here: filling such a bench. What does not: what is made of the hits (`authoring_pipeline.py`,
`checking_pipeline.py`).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import numpy as np

from scan_pipeline.features import market_context
from scan_pipeline.scanners.preparing import Demand, demand
from scan_pipeline.scanners.registry import SqlScanner
from scan_pipeline.scanners.sql import Bench
from scan_pipeline.sessions import Calendar
from scan_pipeline.stages import filling
from scan_pipeline.stages.groups import Group
from scan_pipeline.stages.scan import ScanRules
from scan_pipeline.store.connection import Store

Benched = tuple[Group, Bench, dict[date, int]]


def asked_by(scanners: Sequence[SqlScanner]) -> Demand:
    """What these scanners alone ask for; what the market's context is made of, where one reads it."""
    wanted = demand(scanners)
    return demand(scanners, market_context.READS) if "market_context" in wanted.tables else wanted


def benches(
    store: Store, groups: Iterable[Group], scanners: Sequence[SqlScanner], rules: ScanRules
) -> Iterator[Benched]:
    """For each group, a bench on which these scanners can be run, and the number of symbols on each session.

    Each is there until the next is asked for. The store is free while it is used.
    """
    wanted = asked_by(scanners)
    for group in groups:
        with Bench(rules.scanner_seconds, rules.max_hits, rules.memory_limit) as bench:
            with store.read() as connection:
                computed = filling.add_computed(
                    bench, connection, group, wanted, {}, batch_symbols=rules.batch_symbols, keep_sessions=0,
                    benchmark=rules.benchmark,
                )  # fmt: skip
                if "market_context" in wanted.tables:
                    filling.add_derived(bench, connection, group, wanted, rules.score, rules.plan)
                elif wanted.cross_sectional:
                    bench.compare(wanted.cross_sectional, rules.score, rules.plan)
            bench.close_fence()
            yield group, bench, computed.scanned


def with_history(calendar: Calendar, session: date, history: int) -> Group:
    """The session with exactly so many sessions before it."""
    first = calendar.before(session, history)
    window = np.array(calendar.between(first, session), dtype="datetime64[D]")
    return Group([session], window, first, calendar.after(session, 1))
