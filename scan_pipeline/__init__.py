"""scan_pipeline: the whole US stock market, scanned every night, in Dagster.

`pipeline.py` tells the algorithm in words; `definitions.py` is what Dagster loads; `cli/` is the command
`scan-pipeline`. Nothing is imported here, so that a command pays only for what it uses: `scanner`, which users'
scanners in Python import from here, comes when it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scan_pipeline.scanners.python.authoring import scanner as scanner

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "scanner":
        from scan_pipeline.scanners.python.authoring import scanner

        return scanner
    raise AttributeError(f"module 'scan_pipeline' has no attribute '{name}'")
