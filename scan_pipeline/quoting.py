"""Names as SQL: whatever is in a column's name, it is a name and nothing else."""


def identifier(name: str) -> str:
    """The name in double quotes, those in it doubled."""
    return '"' + name.replace('"', '""') + '"'
