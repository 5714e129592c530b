"""Errors for people: one line that says what happened, to which symbol, session or file, and what to do.

Every error that a user can cause or mend derives from `ScanPipelineError`; the command line prints its message alone
(`--traceback` shows the rest), Dagster shows it as the failure's description. Errors of a provider, which also say
whether another try is worth it, live in `providers/base.py`.
"""


class ScanPipelineError(Exception):
    """Something that a person can mend. The message is complete: no traceback is needed to act on it."""


class SettingsError(ScanPipelineError):
    """A setting or a file that holds settings is wrong; the message names it."""


class SessionError(ScanPipelineError):
    """A date that is no session, or a session that cannot be worked on yet."""


class StoreError(ScanPipelineError):
    """The database is missing, busy, or made by another version."""


class IngestError(ScanPipelineError):
    """A session could not be ingested; the others stand."""


class ScannerError(ScanPipelineError):
    """One scanner failed, alone: the message names its file, the line where it is known, and a remedy."""


class ScriptError(ScanPipelineError):
    """A user's script cannot be run, failed, or gave nothing: the message names it and says what to do."""
