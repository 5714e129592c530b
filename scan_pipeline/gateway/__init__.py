"""The vendor's API, answered from our own store: `scan-pipeline gateway`.

`server.py` speaks HTTP; `answers.py` finds what is asked for in the store; `requests.py` reads parameters and words
refusals as the vendor does. Bodies, their field order, timestamps, pagination and errors are those of the Massive
(formerly Polygon.io) REST API, so that programs written for it work unmodified.
"""
