"""Names and texts as SQL: whatever is in them, they are a name or a text and nothing else.

What belongs here: what cannot be handed to DuckDB as a parameter. What does not: values that can.
"""


def identifier(name: str) -> str:
    """The name in double quotes, those in it doubled."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: object) -> str:
    """The text, or a path as text, in single quotes, those in it doubled."""
    return "'" + str(text).replace("'", "''") + "'"
