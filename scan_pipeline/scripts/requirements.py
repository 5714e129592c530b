"""Which packages a script needs, pinned to versions that were tried together.

What belongs here: from imports to packages, what the file beside a script or its inline metadata (PEP 723) asks for.
What does not: installing them (`environment.py`).

Scripts are written for pandas 1 and 2. On pandas 3 some finish without a complaint and without a row, so pandas 2 is
what they get, with packages of its time, unless they ask for something else in so many words. A wish that the pinned
version fulfils ("pandas", "pandas>=2") gets the pinned version.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scan_pipeline.errors import ScriptError
from scan_pipeline.scripts.inspecting.inspection import Inspection
from scan_pipeline.scripts.sidecar import Sidecar

#: What the runtime itself needs in every environment: the clock.
CLOCK = (
    'time-machine==3.6.0; python_version >= "3.11"',
    'time-machine==2.16.0; python_version < "3.11"',
)
#: Import names of packages whose own name differs, or whose version matters. All go together, on Python 3.11 to 3.13.
PINNED = {
    "aiohttp": "aiohttp==3.11.18",
    "backtesting": "backtesting==0.6.4",
    "bs4": "beautifulsoup4==4.13.4",
    "bottleneck": "bottleneck==1.4.2",
    "certifi": "certifi==2025.4.26",
    "colorama": "colorama==0.4.6",
    "dateutil": "python-dateutil==2.9.0.post0",
    "dotenv": "python-dotenv==1.1.0",
    "exchange_calendars": "exchange_calendars==4.10.1",
    "httpx": "httpx==0.28.1",
    "lxml": "lxml==5.4.0",
    "massive": "massive==2.0.1",
    "matplotlib": "matplotlib==3.9.4",
    "mplfinance": "mplfinance==0.12.10b0",
    "nest_asyncio": "nest-asyncio==1.6.0",
    "numba": "numba==0.61.2",
    "numexpr": "numexpr==2.10.2",
    "openpyxl": "openpyxl==3.1.5",
    "pandas": "pandas==2.3.3",
    "pandas_market_calendars": "pandas-market-calendars==4.6.1",
    "plotly": "plotly==5.24.1",
    "polars": "polars==1.30.0",
    "polygon": "polygon-api-client==1.15.4",
    "psutil": "psutil==7.0.0",
    "pyarrow": "pyarrow==20.0.0",
    "pytz": "pytz==2025.2",
    "requests": "requests==2.32.3",
    "rich": "rich==14.0.0",
    "scipy": "scipy==1.15.3",
    "seaborn": "seaborn==0.13.2",
    "sklearn": "scikit-learn==1.5.2",
    "statsmodels": "statsmodels==0.14.4",
    "ta": "ta==0.11.0",
    "tabulate": "tabulate==0.9.0",
    "talib": "TA-Lib==0.6.8",
    "tenacity": "tenacity==9.1.2",
    "tqdm": "tqdm==4.67.1",
    "tzlocal": "tzlocal==5.3.1",
    "urllib3": "urllib3==2.2.3",
    "yaml": "PyYAML==6.0.2",
    "yfinance": "yfinance==0.2.65",
}
#: The last numpy of the first series where there is one: much of what scripts use was renamed in the second.
NUMPY = ('numpy==1.26.4; python_version < "3.13"', 'numpy==2.2.6; python_version >= "3.13"')
#: What nearly every script imports some of. Each environment has them all, so that most scripts share a single one.
STANDARD = ("aiohttp", "dateutil", "httpx", "numpy", "pandas", "pytz", "requests", "tabulate", "tqdm", "urllib3")
#: Bounds for what others bring along, where a script does not name it.
_BOUNDS = {"pandas": "pandas<3", "numpy": 'numpy<2; python_version < "3.13"'}
#: Imports whose package has another name; they are not pinned.
_OTHER_NAMES = {
    "alpaca": "alpaca-py", "alpaca_trade_api": "alpaca-trade-api", "cv2": "opencv-python-headless", "PIL": "pillow",
    "alpha_vantage": "alpha-vantage", "finnhub": "finnhub-python", "ib_insync": "ib-insync", "jwt": "PyJWT",
    "pandas_datareader": "pandas-datareader", "socks": "PySocks", "telegram": "python-telegram-bot",
    "websocket": "websocket-client", "pkg_resources": "setuptools", "zmq": "pyzmq", "Crypto": "pycryptodome",
}  # fmt: skip
Source = Literal["its imports", "its inline metadata", "the file beside it", "the Python that is named"]


@dataclass(frozen=True)
class Requirements:
    """What a script's environment holds.

    `packages`: PEP 508 texts. `constraints`: bounds for what these bring along. `python`: the user's own, whose
    packages are shared, or None for ours. `requires_python`: the script's bound for Python's version, or "".
    `assumed`: imports for which a package of the same name is taken, unpinned. `source`: what decided.
    """

    packages: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    python: Path | None = None
    requires_python: str = ""
    assumed: tuple[str, ...] = ()
    source: Source = "its imports"

    @property
    def remark(self) -> str:
        """What a person should know about the choice, or ""."""
        if not self.assumed:
            return ""
        return (
            f"Nothing is known about {', '.join(self.assumed)}: a package of the same name is taken, in its newest "
            "version. Name the right one in `requirements` of the file beside the script where that is wrong."
        )


def requirements_of(inspection: Inspection, sidecar: Sidecar) -> Requirements:
    """What the script needs: as the file beside it says, else its inline metadata, else as its imports call for.

    With a Python of the user's and neither of the first two, its packages are taken as they are. Raises ScriptError
    naming the file where a requirement or the metadata is wrong.
    """
    path = inspection.path
    if sidecar.requirements is not None:
        packages = _settled(sidecar.requirements, path.with_suffix(".toml"))
        return _made(packages, sidecar.python, source="the file beside it")
    if inspection.metadata:
        wanted, requires_python = _read_metadata(inspection.metadata, path)
        return _made(_settled(wanted, path), sidecar.python, requires_python, source="its inline metadata")
    if sidecar.python is not None:
        return Requirements(CLOCK, python=sidecar.python, source="the Python that is named")
    return _of_imports(inspection)


def _of_imports(inspection: Inspection) -> Requirements:
    packages: list[str] = []
    assumed: list[str] = []
    optional = [name for name in inspection.optional_imports if name in PINNED]
    names = {*STANDARD, *inspection.imports, *optional, *inspection.implied_imports}
    for name in sorted(names):
        if name == "numpy":
            packages += NUMPY
        elif name in PINNED:
            packages.append(PINNED[name])
        else:
            packages.append(_OTHER_NAMES.get(name, name.replace("_", "-")))
            assumed += [name] if name not in _OTHER_NAMES else []
    return _made(packages, None, assumed=tuple(assumed))


def _made(
    packages: Iterable[str],
    python: Path | None,
    requires_python: str = "",
    assumed: tuple[str, ...] = (),
    source: Source = "its imports",
) -> Requirements:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    chosen = tuple(dict.fromkeys([*packages, *CLOCK]))
    named = {canonicalize_name(Requirement(one).name) for one in chosen}
    bounds = tuple(bound for name, bound in _BOUNDS.items() if name not in named)
    return Requirements(chosen, bounds, python, requires_python, assumed, source)


def _settled(wanted: Iterable[str], path: Path) -> list[str]:
    """The requirements as they were written, pinned where the pinned version is one of those that are wanted."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    pins: dict[str, list[Requirement]] = {}
    for text in (*PINNED.values(), *NUMPY):
        pin = Requirement(text)
        pins.setdefault(canonicalize_name(pin.name), []).append(pin)
    settled = []
    for text in wanted:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            reason = str(error).splitlines()[0]
            raise ScriptError(
                f"{path}: the requirement {text!r} is not usable: {reason}. Write it as in PEP 508."
            ) from error
        known = pins.get(canonicalize_name(requirement.name), [])
        versions = [next(iter(pin.specifier)).version for pin in known]
        if not known or requirement.url or not all(requirement.specifier.contains(version) for version in versions):
            settled.append(str(requirement))
            continue
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        for pin in known:
            markers = [f"({marker})" for marker in (requirement.marker, pin.marker) if marker]
            end = f"; {' and '.join(markers)}" if markers else ""
            settled.append(f"{requirement.name}{extras}{pin.specifier}{end}")
    return settled


def _read_metadata(metadata: str, path: Path) -> tuple[list[str], str]:
    """The packages and the version of Python that PEP 723 metadata asks for."""
    try:
        data = tomllib.loads(metadata)
    except tomllib.TOMLDecodeError as error:
        raise ScriptError(f"{path}: the block `# /// script` is not TOML: {error}. Correct it.") from error
    packages, python = data.get("dependencies", []), data.get("requires-python", "")
    if not isinstance(packages, list) or not all(isinstance(one, str) for one in packages):
        raise ScriptError(f"{path}: `dependencies` in the block `# /// script` must be a list of texts. Correct it.")
    if not isinstance(python, str):
        raise ScriptError(f"{path}: `requires-python` in the block `# /// script` must be a text. Correct it.")
    return packages, python
