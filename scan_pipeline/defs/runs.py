"""Dagster runs that the command line starts: in its own process, recorded like any other, and seen in the UI."""

import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from scan_pipeline.errors import ScanPipelineError, SettingsError
from scan_pipeline.progress import Display
from scan_pipeline.sessions import utc_now
from scan_pipeline.settings import PROJECT_DIR, Settings

if TYPE_CHECKING:
    import dagster as dg

#: The process that carries a run of the command line; a run whose process is gone is over.
PID_TAG = "scan_pipeline/pid"


@dataclass(frozen=True)
class FinishedRun:
    """A run that succeeded. `metadata[asset][session]` are the numbers that its assets reported."""

    run_id: str
    metadata: Mapping[str, Mapping[str, Mapping[str, Any]]]
    #: Checks that failed without stopping the run: name and description.
    failed_checks: Mapping[str, str]

    @property
    def calls(self) -> int:
        """Calls made to the vendor by all assets together."""
        return sum(
            max((int(values.get("calls", 0)) for values in sessions.values()), default=0)
            for sessions in self.metadata.values()
        )

    def number(self, asset: str, session: date, name: str) -> float:
        """One reported number; 0 where there is none."""
        return float(self.metadata.get(asset, {}).get(str(session), {}).get(name, 0))


class RunFailed(ScanPipelineError):
    """A run that failed, with the failure in words and where to look."""

    def __init__(self, message: str, traceback: str) -> None:
        super().__init__(message)
        self.traceback = traceback


def run_job(
    settings: Settings,
    job_name: str,
    sessions: Sequence[date],
    display: Display | None,
    assets: Sequence[str] | None = None,
    ops: Mapping[str, Any] | None = None,
    clock: Callable[[], datetime] = utc_now,
    graphs: Mapping[str, Any] | None = None,
) -> FinishedRun:
    """Run a job (or only some of its `assets`) for one session or a range, in this process.

    `ops` configures them, `graphs` those that are made of several ops.

    Raises RunFailed, and KeyboardInterrupt on Ctrl-C.
    """
    import dagster as dg

    from scan_pipeline.definitions import build_definitions

    tags = _tags(sessions)
    with open_instance(settings) as instance, _heeding_ctrl_c() as pressed:
        _end_dead_runs(instance)
        job = build_definitions(settings, _HeedingDisplay(display, pressed), clock).resolve_job_def(job_name)
        return _carried_out(
            pressed,
            lambda: job.execute_in_process(
                instance=instance,
                partition_key=tags.get("dagster/partition"),
                tags=tags,
                asset_selection=[dg.AssetKey(asset) for asset in assets] if assets else None,
                run_config={
                    **_QUIET,
                    "ops": {op: {"config": config} for op, config in (ops or {}).items()} | dict(graphs or {}),
                },
                raise_on_error=False,
            ),
        )


def run_script(
    settings: Settings, name: str, sessions: Sequence[date], options: Mapping[str, Any]
) -> tuple[FinishedRun, str]:
    """Run a script's asset for one session or a range, its shards in processes of their own; and the check's words.

    Those are empty where every shard came to its end. Raises as `run_job` does.
    """
    from scan_pipeline.defs.step_processes import start_ahead

    prepare_dagster_home(settings)  # what steps inherit comes from there
    start_ahead()
    import dagster as dg

    from scan_pipeline.definitions import script_job
    from scan_pipeline.defs.scripts import asset_key

    key = asset_key(name)
    op = key.to_python_identifier()
    given = {option: value for option, value in options.items() if value is not None}
    with open_instance(settings) as instance, _heeding_ctrl_c() as pressed:
        _end_dead_runs(instance)

        def execute() -> "dg.JobExecutionResult":
            with dg.execute_job(
                dg.reconstructable(script_job),
                instance,
                tags=_tags(sessions),
                asset_selection=[key],
                run_config={**_QUIET, "ops": {op: {"ops": {f"plan_{name}": {"config": given}}}}},
            ) as result:
                return result

        finished = _carried_out(pressed, execute)
        return finished, "; ".join(finished.failed_checks.values())


#: Of so many sessions, scanners in Python take less than processes for their shards take to start.
FEW_SESSIONS = 60


def run_python_scanners(
    settings: Settings, sessions: Sequence[date], display: Display | None, options: Mapping[str, Any] | None = None
) -> FinishedRun | None:
    """Run the scanners in Python on sessions that were screened; None: there are none.

    Shards are processes of their own for a longer range, and where SCAN_PYTHON_SHARDS asks for several; else there is
    one in this process, with a worker a processor. `options` are those of `PythonScanConfig`. Raises as `run_job` does.
    """
    from scan_pipeline.python_pipeline import processors
    from scan_pipeline.scanners.python.library import find_python_scanners

    if not find_python_scanners(settings.scanners_dir):
        return None
    if len(sessions) <= FEW_SESSIONS and settings.python_shards < 2:
        here = {"shards": 1, "workers": processors(), **(options or {})}
        return run_job(settings, "python_scan", sessions, display, graphs=_plan_config(here))
    from scan_pipeline.defs.step_processes import start_ahead

    prepare_dagster_home(settings)  # what steps inherit comes from there
    start_ahead()
    import dagster as dg

    from scan_pipeline.definitions import python_job

    with open_instance(settings) as instance, _heeding_ctrl_c() as pressed:
        _end_dead_runs(instance)

        def execute() -> "dg.JobExecutionResult":
            with dg.execute_job(
                dg.reconstructable(python_job),
                instance,
                tags=_tags(sessions),
                run_config={**_QUIET, "ops": _plan_config(options or {})},
            ) as result:
                return result

        return _carried_out(pressed, execute)


def _plan_config(options: Mapping[str, Any]) -> dict[str, Any]:
    from scan_pipeline.defs.python_scanners import PLAN, PYTHON_RESULTS

    return {PYTHON_RESULTS.to_python_identifier(): {"ops": {PLAN: {"config": dict(options)}}}}


#: Progress and errors reach the terminal our way; the whole log is in the UI.
_QUIET: Mapping[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def _tags(sessions: Sequence[date]) -> dict[str, str]:
    first, last = str(sessions[0]), str(sessions[-1])
    tags = {PID_TAG: str(os.getpid())}
    if first == last:
        return tags | {"dagster/partition": first}
    # One planned event for the range, not one a session and asset.
    os.environ.setdefault("DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS", "1")
    return tags | {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


def _carried_out(pressed: Callable[[], bool], execute: Callable[[], Any]) -> FinishedRun:
    # Ctrl-C may meet Dagster while it writes its SQLite; the connection that it then drops is no news.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    try:
        result = execute()
    except Exception:  # whatever Ctrl-C became on its way; anything else is raised as it is
        if pressed():
            raise KeyboardInterrupt from None
        raise
    if not result.success:
        if pressed():
            raise KeyboardInterrupt
        raise _failure(result)
    return _finished(result)


@contextmanager
def _heeding_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed within the block, asked of the signal itself and not of the exception.

    Dagster raises it wherever Python happens to be: inside DuckDB, which fails in words of its own, or in a callback
    of the garbage collector, where it is lost.
    """
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    seen = bytearray()

    def pressed() -> bool:
        with suppress(BlockingIOError):
            seen.extend(os.read(read, 64))
        return signal.SIGINT in seen

    try:
        yield pressed
    finally:
        signal.set_wakeup_fd(before)
        os.close(read)
        os.close(write)


@dataclass(frozen=True)
class _HeedingDisplay:
    """Ends the run at the next step of progress after Ctrl-C; passes on what it is shown."""

    display: Display | None
    pressed: Callable[[], bool]

    def show(self, stage: str, done: int, total: int, unit: str) -> None:
        """See `Display.show`."""
        if self.pressed():
            raise KeyboardInterrupt
        if self.display:
            self.display.show(stage, done, total, unit)


@contextmanager
def open_instance(settings: Settings) -> "Iterator[dg.DagsterInstance]":
    """The Dagster instance in the data folder, set up where it has never been used."""
    import dagster as dg

    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as instance:
        yield instance


def prepare_dagster_home(settings: Settings) -> str:
    """Make sure that DAGSTER_HOME holds a dagster.yaml, and that this process and its children use it."""
    home = settings.dagster_home
    config = home / "dagster.yaml"
    if not config.exists():
        template = PROJECT_DIR / "data" / "dagster_home" / "dagster.yaml"
        try:
            home.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(template, config)
        except OSError as error:
            raise SettingsError(
                f"{config} cannot be made from {template}: {error}. Create it, then try again."
            ) from error
    os.environ["DAGSTER_HOME"] = str(home)
    return str(home)


def _end_dead_runs(instance: "dg.DagsterInstance") -> None:
    """Runs of the command line whose process was killed still say that they run, and hold the pool: end them."""
    import dagster as dg
    import psutil

    unfinished = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING])
    for run in instance.get_runs(unfinished):
        pid = run.tags.get(PID_TAG)
        if pid and not (
            psutil.pid_exists(int(pid)) and "scan-pipeline" in " ".join(psutil.Process(int(pid)).cmdline())
        ):
            instance.report_run_failed(run, f"Process {pid} was killed. What had landed is kept.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _failure(result: Any) -> RunFailed:
    said, traceback = [], ""
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            given = data.user_failure_data
            error = data.error
            words = (given.description if given else None) or ((error.cause or error).message.strip() if error else "")
            said.append(f"{event.step_key}: {words}" if words else f"{event.step_key} failed")
            traceback += error.to_string() if error else ""
        elif event.is_job_failure and not said:  # what no step could tell, as when none of them starts
            error = event.job_failure_data.error
            words = error.message if error else event.message or ""
            said.append(" ".join(words.split("Stack Trace:")[0].split()))  # Dagster's words may hold one of a step's
            traceback += error.to_string() if error else ""
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            if not check.passed and check.blocking:
                said.append(
                    f"{check.asset_key.to_user_string()} stopped by check {check.check_name}: {check.description}"
                )
    # A blocking check also fails its step, with Dagster's words for what the check has said better.
    blocked = [words for words in said if " stopped by check " in words]
    return RunFailed("\n".join(blocked or said) or f"Run {result.run_id} failed; `make ui` shows its log.", traceback)


def _finished(result: Any) -> FinishedRun:
    metadata: dict[str, dict[str, dict[str, Any]]] = {}
    failed = {}
    for event in result.all_events:
        if event.is_step_materialization:
            one = event.step_materialization_data.materialization
            values = {name: value.value for name, value in one.metadata.items()}
            metadata.setdefault(one.asset_key.to_user_string(), {}).setdefault(one.partition or "", {}).update(values)
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            if not check.passed:
                failed[check.check_name] = check.description or ""
    return FinishedRun(result.run_id, metadata, failed)
