"""The vendor's API, answered from our own store: `scan-pipeline gateway`, and what users' scripts are shown.

    server.py        which path is answered by what; how an answer is sent and counted (`counts.py`)
    serving.py       on a port of its own, or on a socket that is handed to it; `tls.py`: under the vendor's names
    view.py          what an asker may see: the one place where evening and symbols are enforced
    answers.py       bars of a day and of a ticker; `intraday.py`: of minutes; `reference.py`: tickers, splits, holidays
    market.py        what is read of the store when, as columns (`bars.py`); `kept.py`: answers that are kept
    read_through.py  what the store does not hold, asked of the vendor once
    requests.py      reads parameters and words refusals as the vendor does

Bodies, their field order, timestamps, pagination and errors are those of the Massive (formerly Polygon.io) REST API, so
that programs written for it work unmodified.
"""
