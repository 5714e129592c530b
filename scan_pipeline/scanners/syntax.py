"""What the text of a scanner says without running it: its tables, what is unrepeatable, whether it is row by row.

What belongs here: reading DuckDB's syntax trees and query plans, and the header's rank. What does not: DuckDB itself
and the bench (`sql.py`).
"""

import re
from collections.abc import Container, Iterator, Mapping
from typing import Any

#: Operators of a query plan that treat every row by itself.
ROW_BY_ROW = {"PROJECTION", "FILTER", "SEQ_SCAN"}
#: What calls of indicators begin with: on each bar, on closed weeks, on closed months.
INDICATOR_SCHEMAS = ("ta", "weekly", "monthly")
#: Parts of a select that look at more than one row. (What hides in expressions shows in the plan.)
_MANY_ROWS = ("modifiers", "group_expressions", "having", "qualify", "sample")
#: Expressions of a syntax tree that look at one row.
_OF_ONE_ROW_CLASSES = {"BETWEEN", "CASE", "CAST", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION",
                       "OPERATOR", "TYPE"}  # fmt: skip
#: The columns that tell one row of a table from every other, of tables that a row of `features` has its own row of.
KEYS: Mapping[str, set[str]] = {"universe": {"session", "symbol"}, "market_context": {"session"}}
#: Functions of single values that scanners use.
OF_ONE_ROW = {"abs", "ceil", "coalesce", "exp", "floor", "greatest", "isfinite", "isnan", "least", "ln", "log", "log10",
              "log2", "nullif", "pow", "power", "round", "sign", "sqrt", "trunc"}  # fmt: skip
#: DuckDB's functions whose value depends on chance, the clock or the connection.
UNREPEATABLE = {
    "current_connection_id", "current_date", "current_localtime", "current_localtimestamp", "current_query_id",
    "current_time", "current_timestamp", "current_transaction_id", "gen_random_uuid", "get_current_time",
    "get_current_timestamp", "localtime", "localtimestamp", "now", "random", "setseed", "today",
    "transaction_timestamp", "txid_current", "uuid", "uuidv4", "uuidv7",
}  # fmt: skip

#: Those of them that are called without brackets. Any other word is a name: `from features today`.
UNREPEATABLE_WORDS = {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}


def tables_of(node: Any, known: Container[str] = ()) -> dict[str, int]:
    """The tables that a syntax tree reads, and where in the text; those that it defines itself (`with`) left out.

    One that is `known` stays: `with universe as (select * from universe where …)` reads it.
    """
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
    return {name: position for name, position in named.items() if name in known or name not in defined}


def unrepeatable(part: Any) -> tuple[str, int] | None:
    """The first thing in a syntax tree that depends on chance or the clock, and where in the text."""
    found = None
    if isinstance(part, dict):
        called, columns = part.get("function_name"), part.get("column_names") or []
        if isinstance(called, str) and called.lower() in UNREPEATABLE:
            return f"{called}()", part.get("query_location", 0)
        if len(columns) == 1 and columns[0].lower() in UNREPEATABLE_WORDS:
            return columns[0], part.get("query_location", 0)
        sample = part.get("sample")
        if sample and not sample["repeatable"]:
            return "a sample without `repeatable`", 0
    for one in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        found = found or unrepeatable(one)
    return found


def is_plain(node: dict[str, Any]) -> bool:
    """Whether a syntax tree is a select of `session`, `symbol` and expressions over `features` alone."""
    return _is_select_of_rows(node) and _is_table(node["from_table"], ("features",))


def is_plain_with_joins(node: dict[str, Any]) -> bool:
    """The same, but over `features` with the row of each other table that its key gives: `join universe using (session,
    symbol)`, `left join market_context using (session)`. So a row has at most one of each beside it."""

    def is_keyed(table: dict[str, Any]) -> bool:
        if table["type"] != "JOIN":
            return _is_table(table, ("features",))
        return (
            is_keyed(table["left"])
            and table["join_type"] in ("INNER", "LEFT")
            and table["ref_type"] == "REGULAR"
            and _is_table(table["right"], KEYS)
            and {one.lower() for one in table["using_columns"]} == KEYS[table["right"]["table_name"].lower()]
        )

    return _is_select_of_rows(node) and is_keyed(node["from_table"])


def _is_select_of_rows(node: dict[str, Any]) -> bool:
    if node["type"] != "SELECT_NODE" or any(node.get(part) for part in _MANY_ROWS) or node["cte_map"]["map"]:
        return False
    plain = {
        one["column_names"][-1].lower()
        for one in node["select_list"]
        if one["class"] == "COLUMN_REF" and one["alias"].lower() in ("", one["column_names"][-1].lower())
    }
    renamed = {one["alias"].lower() for one in node["select_list"] if one["class"] != "COLUMN_REF"}
    return {"session", "symbol"} <= plain and not renamed & {"session", "symbol"}


def _is_table(table: dict[str, Any], names: Container[str]) -> bool:
    return (
        table["type"] == "BASE_TABLE"
        and table["table_name"].lower() in names
        and not table["sample"]
        and not table["column_name_alias"]
    )


def columns_of(node: Any) -> list[str]:
    """The names of all columns in a syntax tree, small letters, without their tables, each once.

    A name that a select gives to an expression of its own is left out: there, that expression is meant. Not so where
    the expression itself is made of it: `round(macd, 2) as macd` reads a column.
    """
    found: dict[str, None] = {}
    given: set[str] = set()

    def walk(part: Any) -> None:
        if isinstance(part, list):
            for one in part:
                walk(one)
        elif isinstance(part, dict):
            if part.get("class") == "COLUMN_REF":
                found[part["column_names"][-1].lower()] = None
            elif part.get("alias") and part["alias"].lower() not in columns_of(part | {"alias": ""}):
                given.add(part["alias"].lower())
            for one in part.values():
                walk(one)

    walk(node)
    return [name for name in found if name not in given]


def is_row_by_row(node: dict[str, Any]) -> bool:
    """Whether it is certain from the syntax tree of a plain select that it treats each row of `features` by itself.

    Functions other than well-known ones of single values make it uncertain: they could be aggregates.
    """

    def treats_one_row(part: Any) -> bool:
        if isinstance(part, list):
            return all(map(treats_one_row, part))
        if not isinstance(part, dict):
            return True
        kind = part.get("class")
        if kind == "FUNCTION" and not part["is_operator"] and part["function_name"].lower() not in OF_ONE_ROW:
            return False
        if kind == "COLUMN_REF" and len(part["column_names"]) > 1:
            return False
        return (kind is None or kind in _OF_ONE_ROW_CLASSES) and all(map(treats_one_row, part.values()))

    return treats_one_row(node["select_list"]) and treats_one_row(node["where_clause"])


def indicator_call(node: Any) -> tuple[int, int] | None:
    """Where an indicator is called in the text, if the node is such a call (`ta.rsi(close, 7)`,
    `ta.macd(close).macdsignal`): offset and length in bytes."""
    if not isinstance(node, dict):
        return None
    called = node["children"][0] if node.get("type") == "STRUCT_EXTRACT" else node
    if called.get("class") == "FUNCTION" and called.get("schema", "").lower() in INDICATOR_SCHEMAS:
        return node["query_location"], node["query_location_length"]
    return None


def with_columns(node: Any, columns: Mapping[tuple[int, int], str]) -> Any:
    """The syntax tree with a column in place of each call of an indicator, by where the call is in the text."""
    if isinstance(node, list):
        return [with_columns(one, columns) for one in node]
    if not isinstance(node, dict):
        return node
    place = indicator_call(node)
    if place is not None and place in columns:
        return {
            "class": "COLUMN_REF", "type": "COLUMN_REF", "alias": node["alias"], "query_location": place[0],
            "query_location_length": place[1], "column_names": [columns[place]],
        }  # fmt: skip
    return {name: with_columns(one, columns) for name, one in node.items()}


def indicator_calls(node: Any) -> Iterator[tuple[int, int]]:
    """Where indicators are called in the text: offset and length in bytes, of the outermost calls."""
    if place := indicator_call(node):
        yield place
    elif isinstance(node, (dict, list)):
        for one in node.values() if isinstance(node, dict) else node:
            yield from indicator_calls(one)


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
