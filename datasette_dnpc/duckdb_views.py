"""The views in the SQL of DuckDB: the same definitions, with what SQLite means in another way said for DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlglot
from sqlglot import exp

TYPED = {
    **dict.fromkeys(("cores", "memory", "disk", "wall_time", "cpu_time", "megabytes"), "DOUBLE"),
    "cached": "BOOLEAN",
}
"""Type of the attributes that are no text, by the last part of their path: DuckDB takes text out of JSON."""

JSON_TYPES = {"integer": ("BIGINT", "UBIGINT"), "real": ("DOUBLE",)}
"""What SQLite calls a type of JSON, and what DuckDB does."""

_LOGICAL = (exp.Connector, exp.Not, exp.Where, exp.Having, exp.Join, exp.If, exp.Is, exp.Filter, exp.Paren)
"""Where a condition is a condition; elsewhere SQLite takes it as 0 or 1."""


def translate(sql: str) -> str:
    """Return a SELECT of SQLite as one of DuckDB."""
    tree: Any = sqlglot.parse_one(sql, read="sqlite")
    for step in _STEPS:
        step(tree)
    return str(tree.sql("duckdb", identify=True, pretty=True))


def _joins(tree: Any) -> None:
    """A cross join with a condition, which for SQLite says in which order to read, is a join."""
    for join in tree.find_all(exp.Join):
        if join.args.get("on") and join.args.get("kind") == "CROSS":
            join.set("kind", None)


def _bare_columns(tree: Any) -> None:
    """A column that is neither grouped by nor aggregated is of the row with the one max or min, or of any row."""
    for select in tree.find_all(exp.Select):
        group = select.args.get("group")
        grouped = {column.sql() for column in group.expressions} if group else set()
        figures = [found for found in _within(select, exp.AggFunc) if not isinstance(found.parent, exp.Window)]
        extremes = [found for found in figures if isinstance(found, (exp.Max, exp.Min))]
        for column in list(_within(select, exp.Column)) if group or figures else ():
            if column.sql() in grouped or column.find_ancestor(exp.AggFunc, exp.Select) is not select:
                continue
            if column.table and column.table not in _sources(select):
                continue  # of a SELECT around this one
            value: Any = exp.AnyValue(this=column.copy())
            if len(extremes) == 1:
                name = "arg_max" if isinstance(extremes[0], exp.Max) else "arg_min"
                value = exp.func(name, column.copy(), extremes[0].this.copy())
            column.replace(exp.alias_(value, column.name) if column.parent is select else value)


def _within(select: Any, kind: Any) -> Iterator[Any]:
    """Yield what the columns of a SELECT hold of a kind, but for what its subqueries hold."""
    for column in select.expressions:
        for found in column.find_all(kind):
            if found.parent_select is select:
                yield found


def _sources(select: Any) -> set[str]:
    """Return the names of what a SELECT reads."""
    read = [select.find(exp.From), *select.args.get("joins", [])]
    return {source.this.alias_or_name for source in read if source is not None}


def _json(tree: Any) -> None:
    """Values out of JSON have types, which DuckDB wants to be told."""
    for extract in list(tree.find_all(exp.JSONExtractScalar)):
        kind = TYPED.get(extract.expression.expressions[-1].name)
        if kind:
            value = exp.cast(extract.copy(), kind)
            extract.replace(exp.cast(value, "INT") if kind == "BOOLEAN" else value)
    for group in list(tree.find_all(exp.JSONArrayAgg)):
        group.replace(exp.Anonymous(this="json_group_array", expressions=[group.this.copy()]))
    made = {table.alias for table in tree.find_all(exp.Table) if isinstance(table.this, exp.Anonymous)}
    for column in list(tree.find_all(exp.Column)):
        if column.table in made and column.name == "value" and isinstance(column.parent, (exp.Select, exp.Alias)):
            value = exp.cast(column.copy(), "DOUBLE")
            column.replace(exp.alias_(value, column.name) if isinstance(column.parent, exp.Select) else value)
    for choice in tree.find_all(exp.In):
        named = [JSON_TYPES.get(found.name) for found in choice.expressions]
        if named and all(named):
            choice.set("expressions", [exp.Literal.string(name) for names in named for name in names or ()])


def _conditions(tree: Any) -> None:
    """A condition among values is 0 or 1."""
    for condition in reversed(list(tree.find_all(exp.Predicate))):
        if not isinstance(condition.parent, _LOGICAL) and condition.arg_key != "on":
            condition.replace(exp.cast(condition.copy(), "INT"))


def _recursion(tree: Any) -> None:
    """A recursive table is one SELECT, and one that goes on from it: of several of these, one is made."""
    for table in tree.find_all(exp.CTE):
        terms = list(_terms(table.this))
        if len(terms) > 2 and table.find_ancestor(exp.With).args["recursive"]:
            first, *others = terms
            on = exp.Subquery(this=exp.union(*others, distinct=False))
            table.set("this", exp.Union(this=first, expression=on, distinct=True))


def _terms(query: Any) -> Iterator[Any]:
    if isinstance(query, exp.Union):
        yield from _terms(query.left)
        yield from _terms(query.right)
    else:
        yield query.copy()


_STEPS = (_joins, _bare_columns, _json, _conditions, _recursion)
