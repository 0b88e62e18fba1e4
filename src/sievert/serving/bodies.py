"""A request's body, piece by piece, as the server protocol (ASGI) hands it over."""

from litestar.types import Receive


async def next_piece(receive: Receive) -> tuple[bytes, bool] | None:
    """Wait for the next piece; return (bytes, whether more follows), or None if the client left."""
    message = await receive()
    if message["type"] != "http.request":
        return None
    return message.get("body", b""), message.get("more_body", False)
