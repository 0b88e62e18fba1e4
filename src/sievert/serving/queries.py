"""Query parameters: an address takes those that its handler names, and says so when others come.

A misspelt filter that is passed over would answer a question that nobody asked.
"""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from sievert.errors import InvalidField
from sievert.serving.callers import KEY_IN_ADDRESS

_SHOWN = 100


def query_names(handler: BaseRouteHandler) -> tuple[str, ...]:
    """Return the query parameters that a handler's signature names."""
    fields = handler.parsed_fn_signature.parameters
    return tuple(
        field.kwarg_definition.name or name
        for name, field in fields.items()
        if isinstance(field.kwarg_definition, QueryParameter)
    )


def refuse_unknown(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let no request pass whose query names what the address does not know.

    Raises:
        InvalidField: names the first of them, and what there is.
    """
    # Google's clients add parameters of their own, such as alt=json.
    if not connection.scope["query_string"] or handler.opt.get(KEY_IN_ADDRESS):
        return
    known = query_names(handler)
    for name in connection.query_params:
        if name not in known:
            raise InvalidField(
                f"There is no query parameter {name[:_SHOWN]!r} at this address.",
                field=name[:_SHOWN],
                remedy=f"It takes {', '.join(known)}." if known else "It takes none.",
            )
