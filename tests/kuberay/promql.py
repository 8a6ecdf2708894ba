"""What a PromQL expression asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatrixSelector,
    ParenExpr,
    SubqueryExpr,
    VectorSelector,
    parse,
)

# Grafana puts them in before it asks.
_FILLED_IN = {"$__rate_interval": "5m", "$namespace": ".*"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A series, the labels that it must have, and values that it is asked for by name."""

    series: str
    labels: frozenset[str]
    values: frozenset[str]


def asked(expression: str) -> list[Asked]:
    """All series of an expression.

    Raises:
        ValueError: it is no PromQL.
    """
    for name, value in _FILLED_IN.items():
        expression = expression.replace(name, value)
    return list(_asked(parse(expression), frozenset()))


def _asked(expression: Expr, labels: frozenset[str]) -> Iterator[Asked]:
    match expression:
        case VectorSelector():
            assert expression.name is not None
            matchers = expression.matchers.matchers
            values = {value for matcher in matchers for value in re.split(r"[|]", matcher.value)}
            names = labels | {matcher.name for matcher in matchers}
            yield Asked(expression.name, names, frozenset(value for value in values if re.fullmatch(r"[\w-]+", value)))
        case MatrixSelector():
            yield from _asked(expression.vector_selector, labels)
        case AggregateExpr():
            by = frozenset() if expression.modifier is None else frozenset(expression.modifier.labels)
            yield from _asked(expression.expr, labels | by)
        case BinaryExpr():
            yield from _asked(expression.lhs, labels)
            yield from _asked(expression.rhs, labels)
        case ParenExpr() | SubqueryExpr():
            yield from _asked(expression.expr, labels)
        case Call():
            for argument in expression.args:
                yield from _asked(argument, labels)
        case _:
            assert not hasattr(expression, "expr"), expression
