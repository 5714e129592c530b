"""Packages are chosen by what a script imports or asks for, and pandas is 2 unless it asks for something else."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scan_pipeline.errors import ScriptError
from scan_pipeline.scripts.inspecting.inspection import inspect
from scan_pipeline.scripts.requirements import CLOCK, NUMPY, PINNED, STANDARD, Requirements, requirements_of
from scan_pipeline.scripts.sidecar import Sidecar

METADATA = """\
# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "pandas",
#   "requests>=2.30",
#   "numpy>=1.20; python_version >= '3.8'",
#   "aiohttp[speedups]",
#   "plotly>=6",
#   "left-pad==1.0",
# ]
# ///
import pandas
"""


def needs(text: str, sidecar: Sidecar | None = None) -> Requirements:
    return requirements_of(inspect(text, Path("/nowhere/my_scan.py")), sidecar or Sidecar())


def beyond_standard(found: Requirements) -> set[str]:
    """The packages that an environment has beside those of every other."""
    standard = {*NUMPY, *CLOCK, *(PINNED[name] for name in STANDARD if name != "numpy")}
    assert standard <= set(found.packages)
    return set(found.packages) - standard


def test_scripts_that_import_the_usual_share_one_environment() -> None:
    assert needs("import requests, pandas").packages == needs("import aiohttp\nfrom tqdm import tqdm").packages


def test_imports_become_pinned_packages_and_the_clock() -> None:
    found = needs("import requests, os, bs4\nfrom dateutil import parser\nimport polygon\n")
    assert beyond_standard(found) == {PINNED["bs4"], PINNED["polygon"]}
    assert found.source == "its imports"
    assert (found.python, found.assumed, found.remark) == (None, (), "")


def test_pandas_is_two_and_comes_with_its_numpy_and_what_its_methods_ask_for() -> None:
    found = needs("import pandas as pd\npd.read_parquet('x')")
    assert {*NUMPY, "pandas==2.3.3"} <= set(found.packages)
    assert beyond_standard(found) == {PINNED["pyarrow"]}
    assert found.constraints == ()


def test_a_package_that_nobody_knows_is_taken_by_its_own_name_and_said_so() -> None:
    found = needs("import my_own_lib, PIL")
    assert beyond_standard(found) == {"pillow", "my-own-lib"}
    assert found.assumed == ("my_own_lib",)
    assert "my_own_lib" in found.remark
    # What packages bring along is of the same time, also where a script chooses for itself.
    alone = needs("import os", Sidecar(requirements=["my-own-lib"]))
    assert alone.constraints == ("pandas<3", 'numpy<2; python_version < "3.13"')


def test_what_a_script_can_do_without_is_taken_where_it_is_known() -> None:
    text = "try:\n    import {}\nexcept ImportError:\n    pass"
    assert beyond_standard(needs(text.format("nest_asyncio"))) == {PINNED["nest_asyncio"]}
    assert beyond_standard(needs(text.format("nobody_knows_this"))) == set()


def test_inline_metadata_decides_and_what_it_leaves_open_is_pinned() -> None:
    found = needs(METADATA)
    assert found.source == "its inline metadata"
    assert found.requires_python == ">=3.11"
    assert found.packages == (
        "pandas==2.3.3", PINNED["requests"],
        'numpy==1.26.4; (python_version >= "3.8") and (python_version < "3.13")',
        'numpy==2.2.6; (python_version >= "3.8") and (python_version >= "3.13")',
        "aiohttp[speedups]==" + PINNED["aiohttp"].partition("==")[2], "plotly>=6", "left-pad==1.0", *CLOCK,
    )  # fmt: skip
    assert all(Requirement(one) for one in found.packages)


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        ("pandas", "pandas==2.3.3"),
        ("Pandas>=2", "Pandas==2.3.3"),
        ("pandas<3", "pandas==2.3.3"),
        ("pandas>=3", "pandas>=3"),
        ("pandas==1.5.3", "pandas==1.5.3"),
        ("pandas @ https://example.com/pandas.whl", "pandas @ https://example.com/pandas.whl"),
        ("beautifulsoup4", PINNED["bs4"]),
    ],
)
def test_a_wish_that_the_pinned_version_fulfils_gets_it(wanted: str, taken: str) -> None:
    found = needs("import pandas, requests", Sidecar(requirements=[wanted]))
    assert found.packages == (taken, *CLOCK)
    assert found.source == "the file beside it"


def test_the_file_beside_a_script_goes_before_its_metadata() -> None:
    assert needs(METADATA, Sidecar(requirements=[])).packages == CLOCK


def test_a_python_of_the_users_has_its_own_packages() -> None:
    python = Path("/home/mike/venv/bin/python")
    found = needs("import pandas, my_own_lib", Sidecar(python=python))
    assert (found.packages, found.python, found.source) == (CLOCK, python, "the Python that is named")
    assert needs("import pandas", Sidecar(python=python, requirements=["requests"])).packages == (
        PINNED["requests"], *CLOCK,
    )  # fmt: skip
    assert needs(METADATA, Sidecar(python=python)).requires_python == ">=3.11"


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("dependencies = [", ["not TOML"]),
        ('dependencies = "pandas"', ["`dependencies`", "list"]),
        ("dependencies = [1]", ["`dependencies`"]),
        ("requires-python = 3.11", ["`requires-python`"]),
        ('dependencies = ["pandas=2"]', ["'pandas=2'"]),
        ('dependencies = ["./local.whl"]', ["'./local.whl'"]),
    ],
)
def test_wrong_metadata_is_named_with_the_script(block: str, words: list[str]) -> None:
    with pytest.raises(ScriptError) as refused:
        needs(f"# /// script\n# {block}\n# ///\nimport pandas\n")
    assert all(one in str(refused.value) for one in ["/nowhere/my_scan.py", *words])


def test_a_wrong_requirement_is_named_with_the_file_beside_the_script() -> None:
    with pytest.raises(ScriptError, match=r"my_scan\.toml.*'pandas=2'"):
        needs("import pandas", Sidecar(requirements=["pandas=2"]))


def test_every_pin_is_one_version_of_one_package() -> None:
    names = []
    for text in PINNED.values():
        pin = Requirement(text)
        assert [one.operator for one in pin.specifier] == ["=="]
        names.append(canonicalize_name(pin.name))
    assert len(set(names)) == len(names)
