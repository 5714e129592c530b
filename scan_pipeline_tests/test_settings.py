"""Settings: read from the environment and `.env`, and a bad value explained in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

from scan_pipeline.errors import SettingsError
from scan_pipeline.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings are read from here: `.env` is looked for in the current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused() -> str:
    """The message with which the settings are refused: one line, always."""
    with pytest.raises(SettingsError) as error:
        load_settings()
    message = str(error.value)
    assert "\n" not in message
    return message


def test_without_any_variable_everything_has_a_default(folder: Path) -> None:
    settings = load_settings()
    assert settings.provider == "demo"
    assert settings.database_path == folder / "data" / "scan.duckdb"
    assert (settings.screen.min_average_volume, settings.screen.min_price, settings.screen.max_price) == (1e6, 1, 500)


@pytest.mark.parametrize(
    ("variable", "value", "fault"),
    [
        ("SCAN_PROVIDER", "bloomberg", "one of demo, files"),
        ("SCAN_DEMO_SYMBOLS", "many", "Expected `int`"),
        ("SCAN_DEMO_SYMBOLS", "3", ">= 20"),
        ("SCAN_MAX_REJECTED_SHARE", "5", "<= 1"),
        ("SCAN_BATCH_SYMBOLS", "0", ">= 1"),
        ("SCAN_STORE_WAIT_SECONDS", "-1", ">= 0"),
        ("SCAN_SCREEN__MIN_PRICE", "one dollar", "Expected `float`"),
        ("SCAN_SCREEN__PRIORITY", "beauty", "dollar_volume_20"),
        ("SCAN_SCREEN__UNKNOWN_MARKET_CAP", "maybe", "one of pass, reject"),
        ("SCAN_SCREEN__MIN_PRIZE", "2", "no such limit"),
        ("SCAN_SCORE__TREND", "-1", ">= 0"),
        ("SCAN_SCORE__BEAUTY", "1", "no such weight. Those that are: SCAN_SCORE__BREAKOUT, "),
        ("SCAN_PLAN__RISK_PCT", "101", "<= 100"),
        ("SCAN_PLAN__ACCOUNT", "0", "> 0"),
        ("SCAN_PLAN__LEVERAGE", "2", "no such rule. Those that are: SCAN_PLAN__ACCOUNT, "),
    ],
)
def test_a_bad_value_is_explained_in_one_line_that_names_variable_and_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, fault: str
) -> None:
    monkeypatch.setenv(variable, value)
    message = refused()
    assert message.startswith(f"{variable}='{value}' is not usable")
    assert fault in message


def test_every_bad_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCAN_PROVIDER", "bloomberg")
    monkeypatch.setenv("SCAN_MAX_HITS", "none")
    message = refused()
    assert "SCAN_PROVIDER='bloomberg'" in message
    assert "SCAN_MAX_HITS='none'" in message


def test_a_limit_of_the_screen_is_set_by_a_nested_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCAN_SCREEN__MIN_PRICE", "2.5")
    screen = load_settings().screen
    assert (screen.min_price, screen.max_price) == (2.5, 500)


def test_limits_of_the_screen_that_contradict_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCAN_SCREEN__MIN_PRICE", "20")
    monkeypatch.setenv("SCAN_SCREEN__MAX_PRICE", "10")
    assert "min_price 20 is above max_price 10" in refused()


def test_limits_that_contradict_each_other_are_refused_by_the_name_of_a_variable_that_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SCAN_SCREEN__MIN_PRICE", "900")
    assert "SCAN_SCREEN__MIN_PRICE" in refused()


def test_weights_and_rules_are_set_by_nested_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCAN_SCORE__TREND", "0")
    monkeypatch.setenv("SCAN_PLAN__ACCOUNT", "25000")
    settings = load_settings()
    assert (settings.score.trend, settings.score.momentum) == (0, Settings().score.momentum)
    assert (settings.plan.account, settings.plan.risk_pct) == (25_000, Settings().plan.risk_pct)


def test_weights_of_which_none_counts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for component in ("TREND", "MOMENTUM", "VOLUME", "VOLATILITY", "BREAKOUT", "RELATIVE_STRENGTH"):
        monkeypatch.setenv(f"SCAN_SCORE__{component}", "0")
    assert "SCAN_SCORE__BREAKOUT=0.0" in refused()
    assert "all weights are 0" in refused()


@pytest.mark.parametrize(
    ("variable", "value", "fault"),
    [
        ("SCAN_PLAN__MIN_STOP_PCT", "20", "min_stop_pct 20 is above max_stop_pct 10"),
        ("SCAN_PLAN__ACCOUNT", "inf", "account is inf"),
        ("SCAN_SCORE__TREND", "inf", "trend is inf"),
    ],
)
def test_weights_and_rules_that_make_no_sense_are_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, fault: str
) -> None:
    monkeypatch.setenv(variable, value)
    message = refused()
    assert message.startswith(f"{variable}={float(value)} is not usable: ")
    assert fault in message


def test_a_screen_that_is_no_json_is_explained_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCAN_SCREEN", "{min_price: 3")
    assert "SCAN_SCREEN" in refused()


def test_a_memory_limit_that_is_no_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCAN_STORE_MEMORY_LIMIT", "lots")
    assert refused().startswith("SCAN_STORE_MEMORY_LIMIT='lots'")


@pytest.mark.parametrize("variable", ["SCAN_DATA_DIR", "SCAN_FILES_PATH"])
def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    unset = load_settings()
    monkeypatch.setenv(variable, "")
    assert load_settings() == unset


def test_settings_are_read_from_env_file_and_the_environment_wins(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text("SCAN_DEMO_SYMBOLS=200\nSCAN_SCREEN__MAX_PRICE=50\nMASSIVE_API_KEY=a-key-of-another\n")
    monkeypatch.setenv("SCAN_SCREEN__MAX_PRICE", "70")
    settings = load_settings()
    assert (settings.demo_symbols, settings.screen.max_price) == (200, 70)


def test_a_bad_value_in_the_env_file_is_explained_as_well(folder: Path) -> None:
    (folder / ".env").write_text("SCAN_DEMO_SYMBOLS=many\n")
    assert refused().startswith("SCAN_DEMO_SYMBOLS='many' is not usable")


def test_relative_paths_keep_their_meaning_when_a_run_starts_elsewhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("SCAN_DATA_DIR", "here")
    monkeypatch.setenv("SCAN_FILES_PATH", "~/bars")
    settings = load_settings()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert settings.cache_dir == folder / "here" / "cache"
    assert settings.files_path == Path.home() / "bars"


def test_dagster_home_follows_the_data_folder_unless_it_is_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)  # a run of another test sets it for its process
    settings = Settings(data_dir=folder / "there")
    assert settings.dagster_home == folder / "there" / "dagster_home"
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "home"))
    assert settings.dagster_home == folder / "home"


def test_files_without_a_path_say_which_variable_is_missing() -> None:
    program = (
        "from scan_pipeline.pipeline import Pipeline; from scan_pipeline.settings import load_settings\n"
        "Pipeline(load_settings()).provider()"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={"SCAN_PROVIDER": "files"}
    )
    assert (
        answer.stderr.strip()
        .splitlines()[-1]
        .endswith(
            "ProviderError: SCAN_PROVIDER=files needs SCAN_FILES_PATH: "
            "a folder of Parquet or CSV files of bars, or one such file."
        )
    )
