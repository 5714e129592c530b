"""Users' scripts run unmodified: each of the usual kinds finds what an independent computation says it must find."""

import json
from datetime import date
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from scan_pipeline.errors import ScriptError
from scan_pipeline.script_pipeline import RunOptions, ScriptPipeline, ScriptRun
from scan_pipeline.scripts.requirements import NUMPY, PINNED, STANDARD
from scan_pipeline.scripts.results.merging import compare
from scan_pipeline.scripts.running.shards import ShardOutcome, read_plan
from scan_pipeline.store.scripts import read_script_hits, read_script_outcomes
from scan_pipeline_tests.scripts.catalogue import EXAMPLES, HONEST, Example
from scan_pipeline_tests.scripts.conftest import AS_OF, ScriptDesk
from scan_pipeline_tests.scripts.expected import Market, expected_hits

#: What the examples import, together.
EVERYTHING = [
    *NUMPY,
    *(PINNED[name] for name in STANDARD if name != "numpy"),
    *(PINNED[name] for name in ("certifi", "nest_asyncio", "plotly", "pyarrow")),
]
#: The first of each kind that can be cut.
IN_SHARDS = [*{one.kind: one for one in reversed(HONEST) if one.separable}.values()]


def sidecar_of(example: Example, **more: object) -> str:
    lines = [f"{name} = {json.dumps(value)}" for name, value in more.items()]
    if example.parameters:
        lines += ["[parameters]", *(f"{name} = {json.dumps(value)}" for name, value in example.parameters.items())]
    return "\n".join(lines) + "\n"


def found(run: ScriptRun) -> set[tuple[str, str]]:
    return {(hit.symbol, str(hit.session)) for hit in run.hits}


def run_here(desk: ScriptPipeline, name: str, session: date = AS_OF, **options: object) -> ScriptRun:
    return desk.run_here(name, [session], uuid4().hex, RunOptions(**options))


def shown(run: ScriptRun) -> list[str]:
    return (Path(run.plan.folder) / "symbols.txt").read_text().splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("example", HONEST, ids=lambda example: example.name)
def test_a_script_as_it_is_finds_in_shards_what_it_must(
    example: Example, script_desk: ScriptDesk, plain_market: Market
) -> None:
    # One environment that has what any of them imports: making one takes longer than running a script.
    desk = script_desk(example.path, sidecar=sidecar_of(example, requirements=EVERYTHING))
    run = run_here(desk, example.name, shards=2 if example in IN_SHARDS else 1, screen=False)
    assert found(run) == set(expected_hits(example.name, plain_market, AS_OF, shown(run)))
    assert run.outcome.source.partition(":")[0] in ("file", "global", "stdout")
    assert bool(run.fault) == (example.ends != "finished")
    assert run.is_partial == (example.ends != "finished")
    assert run.outcome.vendor_calls == 0
    assert run.outcome.requests > 0
    # Not one byte of it was changed.
    settings = desk.pipeline.settings
    assert (settings.scripts_dir / f"{example.name}.py").read_bytes() == example.path.read_bytes()
    for number in range(1, run.plan.shards + 1):
        assert (run.plan.shard_folder(number) / "work" / f"{example.name}.py").read_bytes() == example.path.read_bytes()


#: A script that shows what it can see.
LOOKS = """
import datetime, requests, time
URL = "https://api.polygon.io"
S = requests.Session()
def get(path, **query):
    return S.get(URL + path, params={"apiKey": "mine", **query}).json()
START_DATE = "2025-12-01"
today = datetime.date.today()
rows, day = [], datetime.date.fromisoformat(START_DATE)
while day <= today + datetime.timedelta(days=10):
    for bar in get(f"/v2/aggs/grouped/locale/us/market/stocks/{day}").get("results", []):
        rows.append({"symbol": bar["T"], "date": str(day), "close": bar["c"], "evening": time.strftime("%H %Z")})
    day += datetime.timedelta(days=1)
hits = [row for row in rows if row["date"] >= str(today - datetime.timedelta(days=3))]
"""


@pytest.fixture
def looks(tmp_path: Path) -> Path:
    path = tmp_path / "looks.py"
    path.write_text(LOOKS)
    return path


@pytest.mark.slow
def test_a_script_sees_nothing_after_the_session_and_believes_it_is_that_evening(
    looks: Path, script_desk: ScriptDesk, plain_market: Market
) -> None:
    session = date(2025, 12, 18)
    run = run_here(script_desk(looks), "looks", session, shards=1, screen=False)
    assert run.fault == ""
    bars = plain_market.bars
    days = {str(day)[:10] for day in bars.session if date(2025, 12, 15) <= date.fromisoformat(str(day)[:10]) <= session}
    assert {str(hit.session) for hit in run.hits} == days
    assert {hit.details["evening"] for hit in run.hits} == {"18 EST"}


@pytest.mark.slow
def test_shards_are_slices_that_together_are_the_whole(looks: Path, script_desk: ScriptDesk) -> None:
    desk = script_desk(looks)
    whole = run_here(desk, "looks", shards=1, screen=False)
    sharded = run_here(desk, "looks", shards=3, screen=False)
    assert whole.hits
    assert compare(whole.hits, sharded.hits).is_empty
    slices = [{row["symbol"] for row in _harvested(sharded, number)} for number in range(1, sharded.plan.shards + 1)]
    assert all(slices)
    assert sum(map(len, slices)) == len(set().union(*slices))


def _harvested(run: ScriptRun, number: int) -> list[dict[str, object]]:
    harvest = json.loads((run.plan.shard_folder(number) / "harvest.json").read_text())
    (table,) = [one for one in harvest["globals"] if one["name"] == "hits"]
    return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]


@pytest.mark.slow
def test_the_screen_hides_symbols_and_never_rows(looks: Path, script_desk: ScriptDesk) -> None:
    desk = script_desk(looks)
    everything = run_here(desk, "looks", shards=1, screen=False)
    screened = run_here(desk, "looks", shards=1, screen=True)
    passed = set(shown(screened))
    assert 0 < len(passed) < len(shown(everything))
    assert screened.plan.screened
    assert found(screened) == {hit for hit in found(everything) if hit[0] in passed}


def test_a_missing_shard_is_refused_by_the_merge(looks: Path, script_desk: ScriptDesk) -> None:
    desk = script_desk(looks)
    run = run_here(desk, "looks", shards=2)
    plan = read_plan(Path(run.plan.folder))
    outcomes = [msgspec.json.decode((plan.shard_folder(number) / "outcome.json").read_bytes()) for number in (1, 2)]
    with pytest.raises(ScriptError, match="Of the 2 shards of looks, these are missing: 2"):
        desk.merge(plan, [msgspec.convert(outcomes[0], ShardOutcome)])


def test_the_hits_are_stored_with_what_they_are_made_of(looks: Path, script_desk: ScriptDesk) -> None:
    desk = script_desk(looks)
    run = run_here(desk, "looks")
    desk.store(run)
    desk.store(run)  # again: replaced, not added to
    with desk.pipeline.store.read() as connection:
        hits = read_script_hits(connection, "looks", AS_OF)
        (outcome,) = read_script_outcomes(connection, "looks")
    assert {(hit["symbol"], str(hit["session"])) for hit in hits} == found(run)
    assert [hit["rank"] for hit in hits] == [*range(1, len(hits) + 1)]
    assert {*hits[0]["details"]} == {"close", "evening"}
    assert (outcome["ok"], outcome["hits"], outcome["vendor_calls"]) == (True, len(hits), 0)
    assert outcome["source"] == "global:hits"
    assert outcome["code_version"] == desk.get("looks").code_version
    assert "network namespace" in outcome["isolation"] or "guard" in outcome["isolation"]


@pytest.mark.slow
def test_values_are_given_without_touching_the_file(looks: Path, script_desk: ScriptDesk) -> None:
    desk = script_desk(looks, sidecar='[parameters]\nSTART_DATE = "{session}"\n')
    run = run_here(desk, "looks")
    assert {str(hit.session) for hit in run.hits} == {str(AS_OF)}
    assert (desk.pipeline.settings.scripts_dir / "looks.py").read_text() == LOOKS


@pytest.mark.slow
def test_a_range_is_one_run_where_the_script_takes_one(looks: Path, script_desk: ScriptDesk) -> None:
    desk = script_desk(looks, sidecar='[parameters]\nSTART_DATE = "{from}"\n')
    sessions = desk.pipeline.calendar.between(date(2025, 12, 26), AS_OF)
    assert desk.runs_of("looks", sessions) == [sessions]
    desk.get("looks").path.with_suffix(".toml").write_text("")
    assert desk.runs_of("looks", sessions) == [[session] for session in sessions]


def test_what_is_missing_is_said_before_anything_runs(tmp_path: Path, script_desk: ScriptDesk) -> None:
    path = tmp_path / "needs_much.py"
    path.write_text("import a_module_of_mine, requests\nhits = []\n")
    desk = script_desk(path, sidecar='requirements = ["requests"]\n')
    with pytest.raises(ScriptError, match="imports a_module_of_mine, which its environment does not have"):
        run_here(desk, "needs_much")
    with pytest.raises(ScriptError, match=r"There is no script .*nothing.py\. .* There are: needs_much"):
        run_here(desk, "nothing")


def test_zero_hits_is_an_answer_and_no_result_is_a_failure(tmp_path: Path, script_desk: ScriptDesk) -> None:
    empty, nothing = tmp_path / "finds_none.py", tmp_path / "says_nothing.py"
    empty.write_text("hits = []\nprint('No hits today')\n")
    nothing.write_text("x = 1\nprint('done')\n")
    desk = script_desk(empty, nothing)
    good = run_here(desk, "finds_none")
    assert (good.fault, good.hits, good.outcome.hits) == ("", [], 0)
    bad = run_here(desk, "says_nothing")
    assert bad.outcome.hits is None
    assert "No result" in bad.fault
    assert "stdout" in bad.fault


@pytest.mark.slow
def test_minutes_that_are_not_held_are_answered_empty_and_counted(script_desk: ScriptDesk) -> None:
    example = EXAMPLES["opening_range_30m"]
    run = run_here(script_desk(example.path, sidecar=sidecar_of(example)), example.name, screen=False)
    assert run.outcome.answered_empty > 0
    assert any("requests for minute bars were answered empty" in remark for remark in run.remarks)
