"""The use cases of scripts: a user's own program, run unmodified on the whole market, in shards.

The algorithm of a run of script X as of session S (or over a range that ends at S):

1.  `plan`: read X and the file beside it, make ready its environment, choose the symbols that
    it is shown (those that passed the screen, or all), cut them into shards, keep X's bytes.   scripts/library.py
2.  `run_shard`, for each shard, in any process that can see the folder of the run:
    a.  serve the vendor's API from the store, as of S, for the shard's symbols alone     gateway/
    b.  start X as it is, where the vendor's names lead to that gateway and it is S's evening   scripts/running
    c.  watch over it until it ends, or is over a limit; keep what it printed and wrote   scripts/running
3.  `merge`: refuse a missing shard, find the result in what each left behind, choose one
    source for all, put the hits together                                                 scripts/results
4.  `store`: replace what is held of X as of S.                                                 store/scripts.py

`run_here` does 1 to 3 in this process, for comparisons. This is the room that joins scripts, gateway and store; like
`pipeline.py` it knows no Dagster.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from datetime import time as clock
from pathlib import Path
from typing import Any

import msgspec

from scan_pipeline.errors import ScriptError
from scan_pipeline.gateway.server import Gateway, running
from scan_pipeline.gateway.tls import Authority
from scan_pipeline.gateway.view import View
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.progress import EVERY_SECONDS
from scan_pipeline.scripts.environment import missing_imports, prepare_environment
from scan_pipeline.scripts.library import Script, find_scripts, read_script
from scan_pipeline.scripts.requirements import requirements_of
from scan_pipeline.scripts.results.candidates import look
from scan_pipeline.scripts.results.merging import FoundHit, merge
from scan_pipeline.scripts.results.outcome import choose
from scan_pipeline.scripts.running.faults import fault_of, faults_of, in_sentences, refused_hosts, remarks_of
from scan_pipeline.scripts.running.shards import ShardOutcome, ShardPlan, ShardProgress, slice_of
from scan_pipeline.scripts.running.supervise import RUNTIME_DIR, Limits, Look, Scene, started
from scan_pipeline.sessions import NEW_YORK
from scan_pipeline.store.scripts import (
    ScriptHit,
    ScriptOutcome,
    bars_version,
    replace_script_run,
    sessions_lacking,
    symbols_held,
    symbols_passed,
)

#: With more symbols than this, a script is shown those alone that passed the screen.
SCREENED_ABOVE = 100
#: Bytes of answers that a shard's gateway keeps: a script rarely asks twice.
KEPT_BYTES = 32 * 2**20
#: The time of day in New York at which a script believes to run.
EVENING = clock(18)


@dataclass(frozen=True)
class ScriptRun:
    """A finished run. `fault` is empty where every shard came to its end and a result was found."""

    plan: ShardPlan
    outcome: ScriptOutcome
    hits: list[FoundHit]
    fault: str
    remarks: list[str] = field(default_factory=list)

    @property
    def is_partial(self) -> bool:
        """Whether hits may be missing: a shard did not come to its end."""
        return bool(self.fault)


@dataclass(frozen=True)
class RunOptions:
    """What a person may ask of one run; None: as the file beside the script says, else the settings."""

    shards: int | None = None
    screen: bool | None = None
    timeout_seconds: float | None = None


@dataclass
class ScriptPipeline:
    """The stages of scripts, over a pipeline's settings, calendar, store and monitor."""

    pipeline: Pipeline

    def find(self) -> list[Script]:
        """All scripts that were added, also those that cannot be read."""
        return find_scripts(self.pipeline.settings.scripts_dir)

    def get(self, name: str) -> Script:
        """One script. Raises ScriptError where there is none of that name, or it cannot be read."""
        path = self.pipeline.settings.scripts_dir / f"{name.removesuffix('.py')}.py"
        if not path.exists():
            known = ", ".join(one.name for one in self.find()) or "none yet"
            raise ScriptError(
                f"There is no script {path}. `scan-pipeline script add FILE` adds one. There are: {known}."
            )
        script = read_script(path)
        if script.fault:
            raise ScriptError(script.fault)
        return script

    def environment(self, script: Script, say: Callable[[str], None]) -> Path:
        """The Python of the script's environment, made ready; `say` is told what takes long."""
        needs = requirements_of(script.inspection, script.sidecar)
        return prepare_environment(needs, self.pipeline.settings.environments_dir, RUNTIME_DIR, say)

    def runs_of(self, name: str, sessions: Sequence[date]) -> list[list[date]]:
        """The sessions of each run that scanning `sessions` takes: all in one where the script takes a range."""
        return [list(sessions)] if self.get(name).sidecar.takes_range else [[session] for session in sessions]

    def plan(self, name: str, sessions: Sequence[date], run_id: str, options: RunOptions) -> ShardPlan:
        """Step 1. Raises ScriptError for what can be told before the script runs."""
        settings, calendar = self.pipeline.settings, self.pipeline.calendar
        calendar.require_closed(sessions)
        script = self.get(name)
        sidecar, first, as_of = script.sidecar, min(sessions), max(sessions)
        python = self.environment(script, self.pipeline.monitor.say)
        missing = missing_imports(python, [*script.inspection.imports])
        if missing:
            raise ScriptError(
                f"{script.path} imports {', '.join(missing)}, which its environment does not have. Name the package in "
                f"`requirements` of {script.path.with_suffix('.toml')}, or a Python that has it in `python`."
            )
        with self.pipeline.store.read() as connection:
            lacking = sessions_lacking(connection, sessions)
            if lacking:
                raise ScriptError(
                    f"No bar of {_named(lacking)} is held, so {script.name} cannot be run as of then. "
                    f"`scan-pipeline ingest --from {lacking[0]} --to {lacking[-1]}` takes them in."
                )
            held = symbols_held(connection, as_of)
            shown, is_screened, remark = self._shown(
                script, held, symbols_passed(connection, sessions), sessions, options
            )
            version = bars_version(connection, as_of)
        wanted = options.shards or sidecar.shards or settings.script_shards or len(_processors())
        shards = max(1, min(wanted, len(shown)))
        folder = settings.script_runs_dir / script.name / f"{as_of}-{run_id[:8]}"
        _forget_old_runs(folder.parent, settings.keep_script_runs)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "script.py").write_bytes(script.program)
        _copy_beside(script, folder / "beside")
        (folder / "symbols.txt").write_text("\n".join(shown), encoding="utf-8")
        plan = ShardPlan(
            script=script.name,
            run_id=run_id,
            folder=str(folder.absolute()),
            first=first,
            as_of=as_of,
            shards=shards,
            symbols_held=len(held),
            symbols_shown=len(shown),
            screened=is_screened,
            python=str(python),
            timeout_seconds=options.timeout_seconds or sidecar.timeout_seconds or settings.script_timeout_seconds,
            memory_mib=sidecar.memory_mib or settings.script_memory_mib,
            parameters=sidecar.parameters_for(first, as_of, sessions),
            arguments=sidecar.arguments_for(first, as_of),
            key_variables=list(script.inspection.key_variables),
            pinned_result=sidecar.result,
            code_version=script.code_version,
            data_version=version,
            remarks=[remark] if remark else [],
            planned_at=time.time(),
        )
        (folder / "plan.json").write_bytes(msgspec.json.encode(plan))
        return plan

    def _shown(
        self,
        script: Script,
        held: list[str],
        passed: list[str] | None,
        sessions: Sequence[date],
        options: RunOptions,
    ) -> tuple[list[str], bool, str]:
        """The symbols that the script is shown, whether the screen chose them, and a remark."""
        asked = options.screen if options.screen is not None else script.sidecar.screen
        own = max((one.count for one in script.inspection.symbols), default=0)
        screen = asked if asked is not None else len(held) > SCREENED_ABOVE and not 0 < own <= SCREENED_ABOVE
        if not screen:
            return held, False, ""
        if passed is None:
            if asked:
                raise ScriptError(
                    f"{_named(sessions)} is not screened{'' if len(sessions) == 1 else ' as a whole'}, so there is "
                    f"nothing to choose symbols by. `scan-pipeline run --session {sessions[-1]}` screens a session; "
                    "--no-screen shows all symbols."
                )
            return held, False, f"All symbols were shown: {_named(sessions)} is not screened yet."
        both = sorted(set(passed) & set(held))
        if not both:
            raise ScriptError(
                f"No symbol passed the screen of {_named(sessions)}: there is nothing to show to {script.name}. Loosen "
                "the limits SCAN_SCREEN__…, or use --no-screen."
            )
        return both, True, ""

    def run_shard(self, plan: ShardPlan, number: int, is_cancelled: Callable[[], bool] = lambda: False) -> ShardOutcome:
        """Step 2. What the script does wrong is in the outcome's `fault`; only our own faults are raised."""
        settings, folder = self.pipeline.settings, plan.shard_folder(number)
        symbols = slice_of(plan.read_symbols(), number, plan.shards)
        gateway = Gateway(
            self.pipeline.store,
            self.pipeline.calendar,
            View(as_of=plan.as_of, symbols=frozenset(symbols)),
            self._read_through(),
            compresses=False,  # to compress costs both sides more than loopback does
            kept_bytes=KEPT_BYTES,
        )
        authority = Authority.at(settings.authority_dir)
        limits = Limits(
            seconds=plan.timeout_seconds, memory_mib=plan.memory_mib,
            collect_mib=min(settings.script_collect_mib, plan.memory_mib),
        )  # fmt: skip
        scene = Scene(
            folder=folder,
            name=plan.script,
            program=(Path(plan.folder) / "script.py").read_bytes(),
            python=Path(plan.python),
            ca_file=authority.ca_file,
            evening=datetime.combine(plan.as_of, EVENING, NEW_YORK).timestamp(),
            limits=limits,
            parameters=plan.parameters | {
                key: symbols for key, value in plan.parameters.items() if value == "{symbols}"
            },
            arguments=plan.arguments,
            helpers=sorted((Path(plan.folder) / "beside").iterdir()),
            key_variables=plan.key_variables,
            allowed_hosts=[host for host in settings.script_hosts.lower().split(",") if host],
            processors=[_processors()[(number - 1) % len(_processors())]],
        )  # fmt: skip
        said_at = 0.0

        def on_look(look: Look) -> None:
            nonlocal said_at
            progress = ShardProgress(
                number, plan.shards, gateway.counts.requests, len(gateway.counts.symbols), len(symbols),
                len(gateway.counts.sessions), look.mib, look.seconds, plan.timeout_seconds - look.seconds,
            )  # fmt: skip
            _write_aside(folder / "progress.json", msgspec.json.encode(progress))
            if look.seconds - said_at >= EVERY_SECONDS:
                said_at = look.seconds
                self.pipeline.monitor.say(str(progress))

        def serve(listener: Any) -> AbstractContextManager[object]:
            return running(gateway, listener, authority.server_context())

        try:
            with started(scene, serve) as supervised:
                ended = supervised.watch(on_look, is_cancelled)
        except OSError as error:
            raise ScriptError(
                f"Shard {number} of {plan.script} cannot be run in {folder}: {error.strerror or error}. Is the folder "
                "there, and room on the disk? Run it again."
            ) from error
        counts = gateway.counts
        outcome = ShardOutcome(
            number=number,
            fault=fault_of(plan, number, ended, limits),
            seconds=round(ended.seconds, 3),
            peak_mib=round(ended.peak_mib, 1),
            symbols=len(symbols),
            requests=counts.requests,
            answered_empty=dict(counts.answered_empty),
            refused_hosts=refused_hosts(folder),
            vendor_calls=counts.vendor_calls,
            isolation=ended.isolation,
        )
        (folder / "outcome.json").write_bytes(msgspec.json.encode(outcome))
        self.pipeline.monitor.say(
            f"shard {number} of {plan.shards} {outcome.fault or 'came to its end'}: {outcome.requests:,} requests, "
            f"{outcome.seconds:.1f} s, at most {outcome.peak_mib:,.0f} MiB"
        )
        return outcome

    def merge(self, plan: ShardPlan, outcomes: Sequence[ShardOutcome]) -> ScriptRun:
        """Step 3. Raises ScriptError for a missing shard, and where no result was found at all."""
        numbers = sorted(one.number for one in outcomes)
        missing = sorted(set(range(1, plan.shards + 1)) - set(numbers))
        if missing or len(numbers) != plan.shards:
            named = f"these are missing: {', '.join(map(str, missing))}" if missing else "one came twice"
            raise ScriptError(
                f"Of the {plan.shards} shards of {plan.script}, {named}. "
                "Nothing is merged from a part. Run it again as a whole."
            )
        gone = [number for number in numbers if not (plan.shard_folder(number) / "outcome.json").exists()]
        if gone:
            raise ScriptError(
                f"What shard {gone[0]} of {plan.script} left in {plan.shard_folder(gone[0])} is gone. Run it again."
            )
        shown = plan.read_symbols()
        slices = [set(slice_of(shown, number, plan.shards)) for number in numbers]
        with self.pipeline.store.read() as connection:
            held = set(symbols_held(connection, plan.as_of))
        choice = choose([look(plan.shard_folder(number), held, plan.as_of) for number in numbers], plan.pinned_result)
        merged = merge(choice, plan.as_of, held, slices)
        faults = faults_of(choice, outcomes)
        # Where no shard came to its end, that is why there is nothing.
        others = [*merged.faults, *([choice.why] if choice.source is None and len(faults) < plan.shards else [])]
        # How a faulty shard ended is in the fault already.
        told = tuple(plan.shard_folder(number).name for number in faults)
        remarks = [*plan.remarks, *(one for one in merged.remarks if not one.startswith(told)), *remarks_of(outcomes)]
        if any(one.answered_empty for one in outcomes) and not self.pipeline.settings.script_read_through:
            remarks.append("SCAN_SCRIPT_READ_THROUGH=1 asks the vendor for what is not held, once.")
        with self.pipeline.store.read() as connection:
            if bars_version(connection, plan.as_of) != plan.data_version:
                remarks.append("Bars changed while it ran: its shards may have seen different ones. Run it again.")
        fault = in_sentences(plan, faults, others, len(merged.hits))
        hits = list(merged.hits)
        return ScriptRun(
            plan, _outcome(plan, outcomes, choice.source or "", hits, fault, remarks), hits, fault, remarks
        )

    def store(self, run: ScriptRun) -> None:
        """Step 4."""
        hits = [ScriptHit(one.session, one.symbol, one.score, one.details) for one in run.hits]
        with self.pipeline.store.write() as connection:
            replace_script_run(connection, run.outcome, hits, run.plan.run_id, partial=run.is_partial)

    def run_here(
        self, name: str, sessions: Sequence[date], run_id: str, options: RunOptions, result: str = ""
    ) -> ScriptRun:
        """Steps 1 to 3 in this process, as many shards at once as there are processors. Nothing is stored.

        `result`: where hits are taken from, as a sidecar may say it; for runs whose hits are to be compared.
        """
        plan = self.plan(name, sessions, run_id, options)
        if result:
            plan = msgspec.structs.replace(plan, pinned_result=result)
        stop = threading.Event()
        with ThreadPoolExecutor(len(_processors())) as pool:
            shards = [pool.submit(self.run_shard, plan, number, stop.is_set) for number in range(1, plan.shards + 1)]
            try:
                outcomes = [shard.result() for shard in shards]
            finally:
                stop.set()  # Ctrl-C, or a fault of one: the others end too
        return self.merge(plan, outcomes)

    def _read_through(self) -> Any:
        if not self.pipeline.settings.script_read_through:
            return None
        from scan_pipeline.gateway.read_through import ReadThrough
        from scan_pipeline.providers import make_client

        return ReadThrough(lambda: make_client(self.pipeline.settings), self.pipeline.store)


def _named(sessions: Sequence[date]) -> str:
    """A session, or the range that several span."""
    return str(sessions[0]) if len(sessions) == 1 else f"{sessions[0]} to {sessions[-1]}"


def _processors() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _write_aside(path: Path, content: bytes) -> None:
    aside = path.with_suffix(".part")
    aside.write_bytes(content)
    aside.replace(path)


def _copy_beside(script: Script, folder: Path) -> None:
    """What the script uses from beside itself: it may change while the shards run."""
    folder.mkdir()
    for path in script.helpers:
        if path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(path, folder / path.name)


def _forget_old_runs(folder: Path, keep: int) -> None:
    """The newest `keep` - 1 runs of the script stay: one more is about to begin."""
    if not folder.exists():
        return
    runs = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in runs[keep - 1 :]:
        if time.time() - path.stat().st_mtime > 3600:  # one that may still be running stays
            shutil.rmtree(path, ignore_errors=True)


def _outcome(
    plan: ShardPlan, outcomes: Sequence[ShardOutcome], source: str, hits: Sequence[FoundHit], fault: str,
    remarks: Sequence[str],
) -> ScriptOutcome:  # fmt: skip
    return ScriptOutcome(
        as_of=plan.as_of,
        script=plan.script,
        ok=not fault,
        hits=len(hits) if not fault or hits else None,
        message=" ".join([*([fault] if fault else []), *remarks]),
        source=source,
        shards=plan.shards,
        symbols_held=plan.symbols_held,
        symbols_shown=plan.symbols_shown,
        screened=plan.screened,
        requests=sum(one.requests for one in outcomes),
        answered_empty=sum(sum(one.answered_empty.values()) for one in outcomes),
        vendor_calls=sum(one.vendor_calls for one in outcomes),
        seconds=round(time.time() - plan.planned_at, 3),
        peak_mib=max((one.peak_mib for one in outcomes), default=0.0),
        isolation=outcomes[0].isolation if outcomes else "",
        folder=plan.folder,
        code_version=plan.code_version,
        data_version=plan.data_version,
    )
