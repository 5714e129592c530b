"""What is said of a script before it runs: read from its text, as people write such texts, and never by running it."""

import textwrap
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scan_pipeline.errors import ScriptError
from scan_pipeline.scripts.inspecting.inspection import Inspection, inspect
from scan_pipeline.scripts.inspecting.parsing import decode

ASYNC_DATES = '''
import aiohttp, asyncio, os
import pandas as pd
from concurrent.futures import ProcessPoolExecutor
API_KEY = "Zx81SecretSecret"
BASE_URL = "https://api.polygon.io"
out = pd.DataFrame()

async def fetch(session, day, adj):
    """See https://polygon.io/docs for the format."""
    url = f"{BASE_URL}/v2/aggs/grouped/locale/us/market/stocks/{day}?adjusted={adj}&apiKey={API_KEY}"
    async with session.get(url) as r:
        return await r.json()

async def main():
    global out
    async with aiohttp.ClientSession() as s:
        data = await asyncio.gather(*[fetch(s, d, "true") for d in DATES])
    with ProcessPoolExecutor() as pool:
        parts = list(pool.map(len, data))
    out = pd.DataFrame(parts)

if __name__ == "__main__":
    START_DATE = "2025-01-02"
    END_DATE = "2025-12-31"
    PRINT_FROM = "2025-11-03"
    DATES = [d.strftime("%Y-%m-%d") for d in pd.bdate_range(START_DATE, END_DATE)]
    asyncio.run(main())
    out.to_csv("gaps.csv", index=False)
    print(out)
'''

SYMBOL_LIST = """
import requests, time
import datetime as dt
from concurrent.futures import ThreadPoolExecutor
key = "YOUR_OWN_KEY_abc"
session = requests.Session()
SYMBOLS = ["AAPL", "MSFT", "BRK.B", "NVDA", "AMD", "KIMpL"]
STARTDATE = dt.date(2020, 1, 1)
end = dt.datetime.strptime("12/31/2025", "%m/%d/%Y")

def scan_symbol(sym, start, end):
    r = session.get("https://api.polygon.io/v2/aggs/ticker/" + sym + "/range/1/day/" + str(start) + "/" + str(end),
                    params={"apiKey": key})
    time.sleep(0.1)
    return r.json().get("results")

def main():
    with ThreadPoolExecutor(8) as pool:
        for s, rows in zip(SYMBOLS, pool.map(lambda s: scan_symbol(s, STARTDATE, end), SYMBOLS)):
            print(s, len(rows or []))

if __name__ == "__main__":
    main()
"""

CLASS = """
import argparse, json, requests
from requests.adapters import HTTPAdapter

class GapScanner:
    BASE = "https://api.massive.com"
    def __init__(self, api_key, start, end):
        self.session = requests.Session()
        self.session.mount("https://", HTTPAdapter(max_retries=3))
        self.start, self.end = start, end
    def day(self, d):
        return self.session.get(self.BASE + "/v2/aggs/grouped/locale/us/market/stocks/%s" % d).json()
    def run_scan(self):
        return [{"symbol": r["T"], "date": self.end} for r in self.day(self.end)["results"]]

def args():
    p = argparse.ArgumentParser()
    p.add_argument("--api-key", default="qwertyuiop12345")
    p.add_argument("-s", "--start", default="2025-10-01")
    p.add_argument("--end", required=True)
    p.add_argument("day")
    p.add_argument("--workers", type=int, default=8)
    return p.parse_args()

if __name__ == "__main__":
    a = args()
    results = GapScanner(a.api_key, a.start, a.end).run_scan()
    with open("hits.json", "w") as f:
        json.dump(results, f)
"""

GROUPED_DETAILS = """
import requests
BASE = "https://api.polygon.io"
def api(path, **kw):
    return requests.get(BASE + path, params=kw).json()
def grouped(d): return api("/v2/aggs/grouped/locale/us/market/stocks/{}".format(d))
def cap(t): return api(f"/v3/reference/tickers/{t}")
def bars(t, d, n=30, unit="minute"):
    return api(f"/v2/aggs/ticker/{t}/range/{n}/{unit}/{d}/{d}")
def main(day):
    for row in grouped(day)["results"]:
        cap(row["T"]); bars(row["T"], day); bars(row["T"], day, 1); bars(row["T"], day, 4, "hour")
        api("/v3/reference/splits", ticker=row["T"])
    api("/v3/reference/tickers?market=stocks")
    api("/v2/snapshot/locale/us/markets/stocks/tickers")
if __name__ == "__main__":
    main("2025-12-31")
"""

MODULE_LEVEL = """
import time, webbrowser
from datetime import date, timedelta
import requests
import plotly.graph_objects as go
from helpers import pct
today = date.today()
hits = []
for i in range(5):
    d = today - timedelta(days=i)
    js = requests.get("https://api.polygon.io/v2/aggs/grouped/locale/us/market/stocks/" + d.isoformat()).json()
    hits += js.get("results", [])
    time.sleep(12)
fig = go.Figure()
fig.show()
webbrowser.open("https://finviz.com/quote.ashx?t=AAPL")
with open("/Users/mike/scans/out.txt", "w") as f:
    f.write(str(hits))
input("press enter to close")
"""


def look(text: str, path: Path = Path("/nowhere/my_scan.py")) -> Inspection:
    return inspect(textwrap.dedent(text), path)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (ASYNC_DATES, "async main over dates"),
        (SYMBOL_LIST, "symbol list and scan function"),
        (CLASS, "class with run method"),
        (GROUPED_DETAILS, "grouped first, then details"),
        (MODULE_LEVEL, "module-level code"),
        ("import requests\nfor s in ['A', 'B']:\n    print(requests.get(BASE + s).text)", "module-level code"),
        ("async def main(a, b): ...\nawaitable = main(1, 2)\nawaitable.send(None)", "module-level code"),
        ("def work(): ...\nif __name__ == '__main__':\n    work()", "functions under a main guard"),
    ],
)  # fmt: skip
def test_each_kind_of_script_is_known(text: str, kind: str) -> None:
    assert look(text).kind == kind


@pytest.mark.parametrize(
    ("text", "endpoints"),
    [
        (ASYNC_DATES, {"grouped daily"}),
        (SYMBOL_LIST, {"custom bars (day)"}),
        (CLASS, {"grouped daily"}),
        (
            GROUPED_DETAILS,
            {"grouped daily", "ticker details", "custom bars (30 minutes)", "custom bars (minute)",
             "custom bars (4 hours)", "splits", "tickers", "snapshot"},
        ),
        (MODULE_LEVEL, {"grouped daily", "other host: finviz.com"}),
        ("u = 'https://api.polygon.io/v3/reference/splits?limit=1000'", {"splits"}),
        ("u = 'https://API.polygon.io:443/stocks/v1/splits'", {"splits"}),
        ("B = 'https://api.massive.com'\nu = os.path.join(B, 'v3/reference/tickers', t)", {"ticker details"}),
        ("u = urllib.parse.urljoin('https://api.polygon.io', '/v3/reference/tickers')", {"tickers"}),
        ("def f(t, unit):\n    return f'{BASE}/v2/aggs/ticker/{t}/range/1/{unit}/a/b'", {"custom bars"}),
        ("u = f'http://{host}/v2/aggs/ticker/{t}/range/5/minute/{a}/{b}'", {"custom bars (5 minutes)"}),
        ("u = 'https://api.polygon.io/v9/brand/new'", {"another endpoint: /v9/brand/new"}),
        ("u = 'https://data.alpaca.markets/v2/stocks/bars'", {"other host: data.alpaca.markets"}),
        ("u = 'https://api.polygon.io.example.com/v3/reference/tickers'", {"other host: api.polygon.io.example.com"}),
        ("u = 'https://key:secret@example.com/x'", {"other host: example.com"}),
        ("import http.client as h\nc = h.HTTPSConnection('example.org', timeout=3)", {"other host: example.org"}),
        ("import http.client as h\nc = h.HTTPSConnection('api.polygon.io')\nc.request('GET', '/v2/aggs/ticker/A/prev')",
         {"previous day"}),
        ("'''docs: https://example.com/v2/aggs/grouped/'''\nprint('see https://example.com/v2/aggs/grouped/')", set()),
        ("from polygon import RESTClient\nc = RESTClient('k')\nc.list_aggs('A', 15, 'minute', 'a', 'b')\n"
         "c.get_grouped_daily_aggs(d)\nc.get_aggs(ticker=t, multiplier=1, timespan='day', from_=a, to=b)",
         {"custom bars (15 minutes)", "grouped daily", "custom bars (day)"}),
        ("class C:\n    def list_aggs(self): ...\nC().list_aggs()", set()),
    ],
)  # fmt: skip
def test_endpoints_are_found_however_their_addresses_are_put_together(text: str, endpoints: set[str]) -> None:
    assert set(look(text).endpoints) == endpoints


def test_imports_are_those_of_packages_wherever_they_stand(tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text("import scipy\nimport other_helper\nimport os\n")
    (tmp_path / "other_helper.py").write_text("import helpers, numba, my_scan\n")
    (tmp_path / "my_scan.py").write_text("import helpers\n")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "bars.py").write_text("import tqdm\nfrom . import x\n")
    found = look(
        """
        import os, sys, json, pandas as pd
        from concurrent.futures import ThreadPoolExecutor
        import matplotlib.pyplot as plt
        import helpers
        from tools.bars import load
        def later():
            import polars
        try:
            import talib
        except Exception:
            raise SystemExit("pip install TA-Lib")
        try:
            import ujson as json
        except ImportError:
            import json
        module = __import__("yaml")
        """,
        tmp_path / "my_scan.py",
    )
    assert found.imports == ("matplotlib", "numba", "pandas", "polars", "scipy", "talib", "tqdm", "yaml")
    assert found.optional_imports == ("ujson",)
    assert set(found.local_modules) == {"helpers", "other_helper", "tools"}


def test_what_pandas_imports_for_its_methods_is_named() -> None:
    assert look("import pandas as pd\npd.read_parquet('x').to_excel('y.xlsx')").implied_imports == (
        "openpyxl",
        "pyarrow",
    )


def test_lists_of_symbols_are_found_and_other_lists_are_not() -> None:
    found = look(
        """
        SYMBOLS = ["AAPL", "MSFT", "BRK.B", "NVDA", "KIMpL"]
        names = "AAPL, MSFT, NVDA, TSLA, AMD, F".split(", ")
        SECTORS = {"AAPL": "Tech", "MSFT": "Tech", "XOM": "Energy", "CVX": "Energy", "KO": "Food"}
        COLUMNS = ["O", "H", "L", "C", "V"]
        EXCHANGES = ("XNYS", "XNAS", "ARCX", "BATS", "XASE")
        few = ["AAPL", "MSFT"]
        cols = ["open", "high", "low", "close", "volume"]
        def main():
            scan({"GE", "GM", "F", "T", "X", "BA"})
        """
    )
    assert [(one.name, one.line, one.count) for one in found.symbols] == [
        ("SYMBOLS", 2, 5), ("names", 3, 6), ("SECTORS", 4, 5), ("", 10, 6),
    ]  # fmt: skip
    assert [(one.name, one.proposed) for one in found.parameters] == [("SYMBOLS", "{symbols}"), ("names", "{symbols}")]


def test_days_ranges_and_the_clock_are_found() -> None:
    found = look(
        """
        import pandas as pd
        from datetime import date, datetime
        A = "2025-01-02"
        B = date(2025, 1, 3)
        C = pd.Timestamp("2025-01-04")
        D = pd.bdate_range(A, B)
        E = datetime.now()
        F = "2025-99-01", "10.0.0.1", "20251301"
        """
    )
    assert [(one.line, one.text) for one in found.dates] == [
        (4, "'2025-01-02'"), (5, "date(2025, 1, 3)"), (6, "pd.Timestamp('2025-01-04')"), (7, "pd.bdate_range(A, B)"),
        (8, "datetime.now()"),
    ]  # fmt: skip


def proposals(text: str) -> dict[str, str]:
    return {one.name: one.proposed for one in look(text).parameters}


def test_constants_are_proposed_with_as_much_history_as_the_script_has() -> None:
    found = {one.name: one for one in look(ASYNC_DATES).parameters}
    before = (date(2025, 11, 3) - date(2025, 1, 2)).days
    assert {name: one.proposed for name, one in found.items()} == {
        "START_DATE": f"{{from-{before}}}", "END_DATE": "{to}", "PRINT_FROM": "{from}",
    }  # fmt: skip
    assert {(one.where, one.present) for one in [found["END_DATE"]]} == {("main guard", "'2025-12-31'")}
    assert proposals(SYMBOL_LIST) == {
        "SYMBOLS": "{symbols}",
        "STARTDATE": f"{{from-{(date(2025, 12, 31) - date(2020, 1, 1)).days}}}",
        "end": "{to}",
    }
    assert proposals("DATES = ['2025-12-30', '2025-12-31']") == {"DATES": "{sessions}"}
    assert proposals("scan_date: str = '20251231'") == {"scan_date": "{session}"}
    assert proposals("END = '2025-12-31'\nSTART = pd.Timestamp(END) - pd.Timedelta(days=300)") == {"END": "{session}"}
    assert proposals("DATE = None\nif x:\n    DATE = sys.argv[1]\nelse:\n    DATE = '2025-12-31'") == {
        "DATE": "{session}"
    }


def test_defaults_of_argparse_are_proposed_and_no_key_is() -> None:
    found = look(CLASS).parameters
    assert {(one.name, one.where, one.present, one.proposed) for one in found} == {
        ("--start", "argparse", "'2025-10-01'", "{from}"),
        ("--end", "argparse", "must be given", "{to}"),
        ("day", "argparse", "must be given", "{session}"),
    }


@pytest.mark.parametrize(
    "text",
    [
        "def main():\n    start = '2025-01-01'",
        "class A:\n    start = '2025-01-01'",
        "start = '2025-01-01'\nwhile True:\n    start = bump(start)",
        "start = '2025-01-01'\nstart += 'T00:00'",
        "START, END = '2025-01-01', '2025-12-31'",
        "START = datetime.strptime('2025-01-01', '%Y-%m-%d').date()",
        "START = date(year=2025, month=1, day=1)",
        "HOLIDAYS = ['2025-01-01', '2025-07-04']\nMARKET_CLOSED_DATES = ['2025-12-25']\nipo_date = '2025-02-03'",
        "DATES = [d for d in days('2025-01-01')]",
        "DATES = load(start='2025-01-01')",
        "end = 10\nstart = 'now'\nday = '2025-13-45'",
        "VERSION = '2025-01-01'",
    ],
)
def test_nothing_is_proposed_that_would_change_more_than_a_constant(text: str) -> None:
    assert proposals(text) == {}


def test_places_of_results_are_named() -> None:
    found = {one.source: one.line for one in look(ASYNC_DATES).results}
    assert found["global:out"] == 21
    assert found["file:gaps.csv"] == 29
    assert found["stdout"] == 30
    found = {one.source: one.line for one in look(CLASS).results}
    assert set(found) == {"global:results", "file:hits.json"}
    text = "import os\nD = 'out'\nfor t in x:\n    df.to_parquet(os.path.join(D, f'{t}.parquet'))\n"
    assert [one.source for one in look(text).results] == ["file:out/*.parquet"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MODULE_LEVEL, "input()"),
        (MODULE_LEVEL, "browser"),
        (MODULE_LEVEL, "chart"),
        (MODULE_LEVEL, "/Users/mike/scans/out.txt"),
        (MODULE_LEVEL, "sleeps"),
        (ASYNC_DATES, "processes"),
        (ASYNC_DATES, "API key"),
        (CLASS, "API key"),
        ("u = 'https://api.polygon.io/v3/reference/tickers?apiKey=abcdefghijkl'", "API key"),
        ("c = Client(api_key='abcdefghijkl')", "API key"),
        ("P = {'apiKey': 'abcdefghijkl'}", "API key"),
        ("import pandas as pd\npd.read_csv('watchlist.csv')", "watchlist.csv"),
        ("for line in open('tickers.txt'):\n    print(line)", "tickers.txt"),
        ("import json, pathlib\nx = json.loads(pathlib.Path('conf.json').read_text())", "conf.json"),
        ("while True:\n    pass", "never end"),
        ("import subprocess\nsubprocess.run(['ls'])", "another program"),
        ("import yfinance as yf\nyf.download('A')", "Yahoo"),
    ],
)
def test_what_a_user_should_know_is_said(text: str, words: str) -> None:
    assert words in " | ".join(look(text).notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("while True:\n    if done:\n        break", "never end"),
        ("def key(x): return x\nsorted(xs, key='market_cap')", "API key"),
        ("df.to_csv('a.csv')\ndf = pd.read_csv('a.csv')", "a.csv"),
        ("pd.read_csv(url)\nopen('a.txt', 'w')\npd.read_csv('https://x.example/a.csv')", "reads"),
    ],
)
def test_what_is_nothing_to_know_is_not_said(text: str, words: str) -> None:
    assert words not in " | ".join(look(text).notes)


def test_a_file_that_is_there_is_no_note_but_goes_along(tmp_path: Path) -> None:
    (tmp_path / "watchlist.csv").write_text("A\n")
    found = look("import pandas as pd\npd.read_csv('watchlist.csv')\n", tmp_path / "x.py")
    assert found.notes == ()
    assert found.local_files == ("watchlist.csv",)


@pytest.mark.parametrize("text", [ASYNC_DATES, CLASS, SYMBOL_LIST])
def test_no_key_is_ever_shown(text: str) -> None:
    shown = repr(look(text))
    assert not any(key in shown for key in ("Zx81SecretSecret", "qwertyuiop12345", "YOUR_OWN_KEY_abc"))


def test_environment_variables_that_hold_keys_are_named() -> None:
    text = "import os\nA = os.environ['POLYGON_API_KEY']\nB = os.getenv('API_KEY', '')\nC = os.environ.get('HOME')"
    assert look(text).key_variables == ("POLYGON_API_KEY", "API_KEY")


def test_inline_metadata_is_kept_as_it_is() -> None:
    block = '# requires-python = ">=3.11"\n# dependencies = [\n#   "pandas",\n# ]\n'
    assert (
        look(f"#!/usr/bin/env python\n# /// script\n{block}# ///\nx = 1\n").metadata
        == 'requires-python = ">=3.11"\ndependencies = [\n  "pandas",\n]'
    )
    assert look("x = 1\n# /// script\n").metadata == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\ndef f(:\n    pass", ["line 2", "invalid syntax"]),
        ("import os\nprint 'hello'", ["line 2", "Python 2"]),
        ("try:\n    x = 1\nexcept ValueError, e:\n    pass", ["line 3", "Python 2"]),
        ("!pip install pandas\nimport pandas", ["line 1", "notebook"]),
        ("if True:\nx = 1", ["line 2", "indented block"]),
        ("x = 1\nreturn x", ["line 2", "outside function"]),
        ("async def main(): ...\nawait main()", ["line 2", "notebook"]),
        ("", ["empty"]),
        ("# only a comment\n", ["empty"]),
        ('"""Only a docstring."""\n', ["empty"]),
        ("x = 1\0", ["null bytes"]),
        ("x = " + "(" * 500 + ")" * 500, ["my_scan.py"]),
        ("x = " + "-" * 100_000 + "1", ["my_scan.py"]),
    ],
)
def test_a_file_that_python_cannot_read_is_refused_with_its_line(text: str, words: list[str]) -> None:
    with pytest.raises(ScriptError) as refused:
        inspect(text, Path("/nowhere/my_scan.py"))
    assert all(one in str(refused.value) for one in ["/nowhere/my_scan.py", *words])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (b"x = 1\ny = '\xe9'\n", ["line 2", "utf-8"]),
        (b"# -*- coding: klingon -*-\n", ["klingon"]),
        (b"\xff\xfeX\x00", ["NUL bytes"]),
        (b"# -*- coding: ascii -*-\nx = '\xc3\xa9'\n", ["ascii"]),
    ],
)
def test_bytes_that_are_no_text_are_refused(program: bytes, words: list[str]) -> None:
    with pytest.raises(ScriptError) as refused:
        decode(program, Path("my_scan.py"))
    assert all(one in str(refused.value) for one in ["my_scan.py", *words])


def test_other_encodings_and_marks_of_windows_are_read() -> None:
    assert decode("# coding: latin-1\nx = 'é'".encode("latin-1"), Path("x.py")) == "# coding: latin-1\nx = 'é'"
    assert inspect(decode(b"\xef\xbb\xbfimport pandas\r\n", Path("x.py")), Path("x.py")).imports == ("pandas",)


@st.composite
def torn_scripts(draw: st.DrawFn) -> str:
    """A script, or two in a row, with lines missing."""
    scripts = st.sampled_from([ASYNC_DATES, SYMBOL_LIST, CLASS, GROUPED_DETAILS, MODULE_LEVEL])
    texts = draw(st.lists(scripts, min_size=1, max_size=2))
    lines = "\n".join(texts).split("\n")
    gone = draw(st.sets(st.integers(0, len(lines) - 1), max_size=6))
    return "\n".join(line for number, line in enumerate(lines) if number not in gone)


@given(torn_scripts())
def test_any_text_is_inspected_or_refused_in_words(text: str) -> None:
    try:
        compile(text, "my_scan.py", "exec")
    except SyntaxError:
        with pytest.raises(ScriptError, match=r"my_scan\.py, line \d"):
            inspect(text, Path("/nowhere/my_scan.py"))
    else:
        assert inspect(text, Path("/nowhere/my_scan.py")).kind
