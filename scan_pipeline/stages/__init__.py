"""The stages that need more than a few lines of `pipeline.py`, which alone calls them: measuring and scanning.

They join store, features and scanners, as `pipeline.py` does; they know no settings, no provider and no Dagster.
"""
