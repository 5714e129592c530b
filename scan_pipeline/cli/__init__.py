"""The command `scan-pipeline`: words and bars on a terminal; the work is Dagster runs and the pipeline."""
