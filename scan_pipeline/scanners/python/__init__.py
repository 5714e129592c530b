"""Scanners written in Python: how a user writes one, how it is found, and how it is run in worker processes."""
