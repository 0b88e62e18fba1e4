"""Where a picture may be fetched: which URLs are followed at all, and which addresses may be called.

Whoever sends a post chooses its URLs, and our server stands inside a network that they do not see.
So a URL is taken apart once, and every address that its host leads to must be one of the public internet.
What decides here is a list of what may be called, not of what may not: an address that no rule knows is
refused.

Not covered: a public address that is our own machine's, or that the network sends on to an inner one.
"""

import dataclasses
import enum
import ipaddress
import re
import socket
from collections.abc import Collection, Sequence

import httpx

from sievert.errors import InputError, InvalidField, MediaUnavailable, TooLarge
from sievert.schema.media import MAX_PICTURE_BYTES

LONGEST_URL = 2048
FIELD = "media"
"""The field that an error about a picture names."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class Result(enum.StrEnum):
    """What came of a fetch: the picture, or why there is none."""

    FETCHED = "fetched"
    # These stay as they are, however often one asks.
    URL = "url"
    SCHEME = "scheme"
    CREDENTIALS = "credentials"
    PORT = "port"
    ADDRESS = "address"
    NO_HOST = "no-host"
    REDIRECTS = "redirects"
    DOWNGRADE = "downgrade"
    STATUS = "status"
    TYPE = "type"
    ENCODING = "encoding"
    EMPTY = "empty"
    CRUMBS = "crumbs"
    SIZE = "size"
    # These may be otherwise in a minute.
    BUSY = "busy"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"
    FAILING = "failing"


_LATER = frozenset({Result.BUSY, Result.TIMEOUT, Result.UNREACHABLE, Result.BROKEN, Result.FAILING})
_REMEDIES = {
    Result.URL: "Write http://host/path or https://host/path, at most 2,048 characters.",
    Result.SCHEME: "Use http or https, or send the picture itself in base64.",
    Result.CREDENTIALS: "Take the user name and the password out of the URL.",
    Result.PORT: "Use port 80 or 443; an operator may list others in the setting fetch_private_hosts.",
    Result.DOWNGRADE: "Name the address that the picture really lies at.",
    Result.REDIRECTS: "Name the address that the picture really lies at.",
    Result.SIZE: f"Pictures may have {MAX_PICTURE_BYTES >> 20} MB; send a smaller one.",
}
_REMEDIES[Result.ADDRESS] = _REMEDIES[Result.NO_HOST] = (
    "Check the name; an operator may list hosts of the own network in the setting fetch_private_hosts."
)


class Stopped(Exception):
    """A fetch ends here; `result` is what is counted, and `told` makes the error that callers see."""

    def __init__(self, result: Result, what: str) -> None:
        """Keep the kind and one sentence."""
        super().__init__(what)
        self.result = result
        self.what = what

    def told(self) -> InputError:
        """Return the error: of one kind if it may go through later, of another if it never will."""
        if self.result in _LATER:
            return MediaUnavailable(self.what, field=FIELD, remedy="Send the post again in a minute.")
        kind = TooLarge if self.result is Result.SIZE else InvalidField
        remedy = _REMEDIES.get(self.result, "Name a URL of a picture, or send the picture itself in base64.")
        return kind(self.what, field=FIELD, remedy=remedy)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A URL taken apart: the host as it is looked up, the port, and whether the operator listed both."""

    url: httpx.URL
    host: str
    port: int
    listed: bool

    @property
    def authority(self) -> str:
        """Host and port as the header Host tells them."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return shown if self.port == _PORTS[self.url.scheme] else f"{shown}:{self.port}"

    def next(self, location: str, listed: Collection[str]) -> "Destination":
        """Follow a redirect, under the same rules as the first URL.

        Raises:
            Stopped: the rules refuse it, or it leads from https to http.
        """
        try:
            joined = str(self.url.join(location[: LONGEST_URL + 1]))
        except (httpx.InvalidURL, ValueError) as error:
            raise Stopped(Result.URL, f"{self.host} redirects to what is no URL.") from error
        following = destination_of(joined, listed)
        if self.url.scheme == "https" and following.url.scheme == "http":
            raise Stopped(Result.DOWNGRADE, f"{self.host} redirects from https to http.")
        return following


def destination_of(url: str, listed: Collection[str]) -> Destination:
    """Take a URL apart; `listed` are the host:port that the operator named.

    Raises:
        Stopped: it is no URL that is followed here.
    """
    if len(url) > LONGEST_URL:
        raise Stopped(Result.URL, f"The URL has {len(url):,} characters.")
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise Stopped(Result.URL, "This is no URL.") from error
    if parsed.scheme not in _PORTS:
        raise Stopped(Result.SCHEME, f"A picture is not fetched by {parsed.scheme[:20] or 'no scheme'!r}.")
    if parsed.userinfo:
        raise Stopped(Result.CREDENTIALS, "The URL holds a user name or a password.")
    host = parsed.raw_host.decode("ascii").lower()
    host = host.removesuffix(".")
    port = parsed.port if parsed.port is not None else _PORTS[parsed.scheme]
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    _check_spelling(host)
    if shown not in listed and port not in _PORTS.values():
        raise Stopped(Result.PORT, f"The URL names port {port}.")
    return Destination(url=parsed, host=host, port=port, listed=shown in listed)


def _check_spelling(host: str) -> None:
    """Refuse what is neither a plain name nor an address in its usual form.

    A resolver takes 2130706433, 0x7f.1 and 0177.0.0.1 for 127.0.0.1; nobody keeps pictures under such.
    """
    if literal(host) is not None:
        return
    if not _HOST.fullmatch(host) or ".." in host:
        raise Stopped(Result.URL, "The URL names no host.")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        raise Stopped(Result.ADDRESS, "The URL's host is a number and no address in its usual form.")


def literal(host: str) -> Address | None:
    """Read a host that is an address already; None if it is a name, or an address with a zone."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return None if isinstance(address, ipaddress.IPv6Address) and address.scope_id else address


def look_up(host: str, port: int) -> Sequence[str]:
    """Ask the system for every address of a name; blocks, perhaps for many seconds.

    Raises:
        OSError: there is none, or nobody answers.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def checked(destination: Destination, found: Sequence[str]) -> list[Address]:
    """Return the addresses that a host leads to, if every single one of them may be called.

    One bad address among good ones is no accident, and which of them is called would be left to chance.

    Raises:
        Stopped: one of them may not be called, or there is none. The error does not tell which: names of
            an inner network are not to be found out by asking.
    """
    addresses = [literal(one) for one in found]
    allowed = [one for one in addresses if one is not None and _may_call(one, destination)]
    if not allowed or len(allowed) < len(addresses):
        raise not_public(destination, Result.ADDRESS)
    return allowed


def not_public(destination: Destination, result: Result) -> Stopped:
    """Say that a host leads nowhere; the same words whether it is unknown or private."""
    return Stopped(result, f"The host {destination.host[:100]} leads to no public address.")


def _may_call(address: Address, destination: Destination) -> bool:
    return is_public(address) or (destination.listed and _is_of_a_network(address))


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the public internet, as far as the address itself tells."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not any(address in net for net in _NOT_PUBLIC_4)
    if address in _NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if _is_isatap(address):
        return False
    return address in _UNICAST_6 and address.is_global and not any(address in net for net in _NOT_PUBLIC_6)


def _is_of_a_network(address: Address) -> bool:
    """Tell whether an operator's list may open an address: private or our own machine, and nothing odder.

    Link-local stays shut even then: there a cloud tells a machine its secrets.
    """
    return any(address in net for net in (_LISTABLE_4 if address.version == 4 else _LISTABLE_6))


def _is_isatap(address: ipaddress.IPv6Address) -> bool:
    # The interface's part ends in an IPv4 address, to which a tunnel would carry us.
    return (int(address) >> 32) & 0xFDFFFFFF == 0x00005EFE


_NOT_PUBLIC_4 = [
    ipaddress.IPv4Network(net)
    for net in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # where Azure tells its machines their settings
    )
]
_UNICAST_6 = ipaddress.IPv6Network("2000::/3")
"""All that has been given out of IPv6; mapped and compatible IPv4, unique-local and the like lie outside."""

_NOT_PUBLIC_6 = [
    ipaddress.IPv6Network(net)
    for net in (
        "2001::/23",  # protocols, Teredo among them, which carries us to an IPv4 address
        "2001:db8::/32",
        "2002::/16",  # 6to4: the same
        "3fff::/20",
    )
]
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""An IPv4 address as a network that only speaks IPv6 writes it; what it carries is looked at."""

_LISTABLE_4 = [
    ipaddress.IPv4Network(net)
    for net in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
]
_LISTABLE_6 = [ipaddress.IPv6Network(net) for net in ("::1/128", "fc00::/7")]
