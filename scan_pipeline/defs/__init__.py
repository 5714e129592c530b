"""All that imports Dagster: partitions, assets, checks, jobs and schedules. See `definitions.py` for how they join."""
