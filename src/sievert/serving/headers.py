"""The headers that every response carries, whatever it is."""

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

PAGE_SECURITY_POLICY = CONTENT_SECURITY_POLICY.replace("form-action 'none'", "form-action 'self'")
"""Of pages with forms: these lead to this server alone."""

ALWAYS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not no-referrer: under that, browsers say of our own forms that they come from nowhere (Origin: null).
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


async def secure(message: Message, scope: Scope) -> None:
    """Add the headers to a response that starts."""
    del scope
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in ALWAYS.items():
            # A route may be stricter about itself, as the one for pictures is.
            headers.setdefault(name, value)
        # Answers are about posts: no cache on the way may keep them. Pages revalidate.
        headers.setdefault("cache-control", "no-store")
