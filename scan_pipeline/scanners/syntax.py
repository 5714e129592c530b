"""What the text of a scanner says without running it: its tables, what is unrepeatable, whether it is row by row.

What belongs here: reading DuckDB's syntax trees and query plans, and the header's rank. What does not: DuckDB itself
and the bench (`sql.py`).
"""

import re
from typing import Any

#: Operators of a query plan that treat every row by itself.
ROW_BY_ROW = {"PROJECTION", "FILTER", "SEQ_SCAN"}
#: Parts of a select that look at more than one row. (What hides in expressions shows in the plan.)
_MANY_ROWS = ("modifiers", "group_expressions", "having", "qualify", "sample")
#: DuckDB's functions whose value depends on chance, the clock or the connection.
UNREPEATABLE = {
    "current_connection_id", "current_date", "current_localtime", "current_localtimestamp", "current_query_id",
    "current_time", "current_timestamp", "current_transaction_id", "gen_random_uuid", "get_current_time",
    "get_current_timestamp", "localtime", "localtimestamp", "now", "random", "setseed", "today",
    "transaction_timestamp", "txid_current", "uuid", "uuidv4", "uuidv7",
}  # fmt: skip


def tables_of(node: Any) -> dict[str, int]:
    """The tables that a syntax tree reads, and where in the text; those that it defines itself (`with`) left out."""
    named: dict[str, int] = {}
    defined: set[str] = set()

    def walk(part: Any) -> None:
        if isinstance(part, list):
            for one in part:
                walk(one)
        elif isinstance(part, dict):
            if part.get("type") == "BASE_TABLE":
                name = ".".join(name for name in (part["schema_name"], part["table_name"]) if name)
                named.setdefault(name.lower(), part["query_location"])
            if part.get("type") == "TABLE_FUNCTION" and part["function"].get("function_name") in (
                "query",
                "query_table",
            ):
                named["that a function looks up by name"] = part["query_location"]
            defined.update(one["key"].lower() for one in (part.get("cte_map") or {}).get("map", []))
            for one in part.values():
                walk(one)

    walk(node)
    return {name: position for name, position in named.items() if name not in defined}


def unrepeatable(part: Any) -> tuple[str, int] | None:
    """The first thing in a syntax tree that depends on chance or the clock, and where in the text."""
    found = None
    if isinstance(part, dict):
        names = [part.get("function_name"), *(part.get("column_names") or [])]
        for name in names:
            if isinstance(name, str) and name.lower() in UNREPEATABLE:
                return f"{name}{'()' if part.get('function_name') else ''}", part.get("query_location", 0)
        sample = part.get("sample")
        if sample and not sample["repeatable"]:
            return "a sample without `repeatable`", 0
    for one in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        found = found or unrepeatable(one)
    return found


def is_plain(node: dict[str, Any]) -> bool:
    """Whether a syntax tree is a select of `session`, `symbol` and expressions over `features` alone."""
    if node["type"] != "SELECT_NODE" or any(node.get(part) for part in _MANY_ROWS) or node["cte_map"]["map"]:
        return False
    table = node["from_table"]
    if table["type"] != "BASE_TABLE" or table["sample"] or table["column_name_alias"]:
        return False
    plain = {
        one["column_names"][-1].lower()
        for one in node["select_list"]
        if one["class"] == "COLUMN_REF" and one["alias"].lower() in ("", one["column_names"][-1].lower())
    }
    renamed = {one["alias"].lower() for one in node["select_list"] if one["class"] != "COLUMN_REF"}
    return {"session", "symbol"} <= plain and not renamed & {"session", "symbol"}


def operators_of(plan: list[dict[str, Any]]) -> set[str]:
    """The names of all operators of a query plan."""
    return {operator["name"].strip() for operator in plan} | {
        name for operator in plan for name in operators_of(operator["children"])
    }


def first_expression(rank: str) -> str:
    """`gap_pct` of `gap_pct desc, volume`."""
    depth = 0
    for position, character in enumerate(rank):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            rank = rank[:position]
            break
    return re.sub(r"(\s+(asc|desc))?(\s+nulls\s+(first|last))?\s*$", "", rank, flags=re.IGNORECASE).strip()
