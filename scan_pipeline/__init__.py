"""scan_pipeline: the whole US stock market, scanned every night, in Dagster.

`pipeline.py` tells the algorithm in words; `definitions.py` is what Dagster loads; `cli/` is the command
`scan-pipeline`. Nothing is imported here, so that a command pays only for what it uses.
"""

__version__ = "0.1.0"
