"""Who may do what, written down by hand: one line for every method and path, checked against the server.

The first columns are the roles (M moderator, P policy owner, E engineer, A auditor); a letter says that the
role is let in, a dot that it is refused. Then what an API key needs: the name of a scope, `any` key, `open`
for everybody without a key, or `no key` where only people who signed in are let in. A `*` before the method
marks a page: without a session it leads to the sign-in instead of answering 401. What stands in brackets
after a path is a line of its own because it asks for more than the path does.
"""

import re
from typing import NamedTuple

from sievert.schema.person import Role

ROLES = dict(zip("MPEA", Role, strict=True))

TABLE = """
....  posts:write     POST    /api/v1/posts
....  posts:write     POST    /api/v1/posts:batch
.PEA  decisions:read  GET     /api/v1/posts/{post_id:path}
....  events:write    POST    /api/v1/events
....  events:write    POST    /api/v1/edges
.P..  creators:forget POST    /api/v1/forgettings
.P..  creators:forget GET     /api/v1/forgettings/{forgetting_id:str}
....  posts:write     POST    /api/v1/media
MP.A  media:read      GET     /api/v1/media/{sha256:str}
M...  media:reveal    GET     /api/v1/media/{sha256:str} [view=plain]
.PEA  decisions:read  GET     /api/v1/decisions
.PEA  decisions:read  GET     /api/v1/actions
.PE.  actions:undo    POST    /api/v1/actions/{action_id:str}/undo
.PEA  decisions:read  GET     /api/v1/actions/{action_id:str}/statement
.PEA  decisions:read  GET     /api/v1/creators/similar
.PEA  decisions:read  GET     /api/v1/limits
.PEA  decisions:read  GET     /api/v1/limits/{limit_id:str}/statement
.PE.  actions:undo    POST    /api/v1/limits/{limit_id:str}/undo
.PEA  decisions:read  GET     /api/v1/switch
MPE.  switch:stop     POST    /api/v1/switch
.PE.  switch:resume   POST    /api/v1/switch [turn=resume]
.PEA  decisions:read  GET     /api/v1/cases
....  isolation:read  GET     /api/v1/isolated
.PEA  decisions:read  GET     /api/v1/labels
...A  audit:read      GET     /api/v1/audit
MPEA  open            POST    /api/v1/discourse
M...  review:work     POST    /api/v1/cases/claim
M...  review:work     POST    /api/v1/cases/{case_id:str}/release
M...  review:work     POST    /api/v1/cases/{case_id:str}/verdict
M...  review:work     POST    /api/v1/cases/{case_id:str}/verdict/undo
M...  review:work     GET     /api/v1/cases/claimed
.PE.  actions:undo    POST    /api/v1/undo
.PEA  decisions:read  GET     /api/v1/quotas
.PEA  decisions:read  GET     /api/v1/queue
.PEA  decisions:read  GET     /api/v1/cases/{case_id:str}
.P..  appeals:write   POST    /api/v1/appeals
.P..  gold:write      POST    /api/v1/gold
.P..  gold:write      DELETE  /api/v1/gold/{case_id:str}
.P.A  reviewers:read  GET     /api/v1/reviewers
.PEA  decisions:read  GET     /api/v1/stream
..EA  webhooks:read   GET     /api/v1/webhooks/dead
..E.  webhooks:write  POST    /api/v1/webhooks/{target:str}
.P.A  banks:read      GET     /api/v1/banks
.P..  banks:write     POST    /api/v1/banks
.P.A  banks:read      GET     /api/v1/banks/{bank:str}
.P..  banks:write     PUT     /api/v1/banks/{bank:str}
.P..  banks:write     DELETE  /api/v1/banks/{bank:str}
.P.A  banks:read      GET     /api/v1/banks/{bank:str}/entries
.P..  banks:write     POST    /api/v1/banks/{bank:str}/entries
.P..  banks:write     DELETE  /api/v1/banks/{bank:str}/entries/{target:str}
.P..  banks:write     POST    /api/v1/banks/{bank:str}/entries/{target:str}
.PEA  decisions:read  GET     /api/v1/guardrail
.PEA  decisions:read  GET     /api/v1/guardrail/{policy:str}
.P..  policies:write  POST    /api/v1/guardrail/{policy:str}/withdraw
.PEA  decisions:read  GET     /api/v1/overview
.P.A  banks:read      GET     /m/lookup
.P.A  banks:read      GET     /m/raw_lookup
.P.A  banks:read      GET     /m/index/status
.P.A  banks:read      GET     /c/banks
.P.A  banks:read      GET     /c/bank/{bank:str}
....  score           POST    /v1/moderations
....  score           POST    /v1alpha1/comments:analyze
....  labels:write    POST    /v1alpha1/comments:suggestscore
....  admin           POST    /api/v1/demo/truth
MPEA  open            *GET    /sign-in
MPEA  open            *POST   /sign-in
MPEA  no key          *POST   /sign-out
MPEA  no key          *GET    /account
MPEA  no key          *POST   /account/password
MPEA  no key          *POST   /account/sessions/end
M...  review:work     *GET    /work
M...  review:work     *POST   /work/claim
M...  review:work     *GET    /work/cases/{case_id:str}
M...  review:work     *POST   /work/cases/{case_id:str}/verdict
M...  review:work     *POST   /work/cases/{case_id:str}/release
M...  review:work     *POST   /work/cases/{case_id:str}/undo
.PEA  decisions:read  *GET    /cases
.PEA  decisions:read  *GET    /posts
.PE.  actions:undo    *POST   /posts/undo
.PEA  decisions:read  *GET    /overview
.PEA  decisions:read  *GET    /ledger
.PEA  decisions:read  *GET    /ledger/{policy:str}
.P..  policies:write  *GET    /ledger/{policy:str}/withdraw
.P..  policies:write  *POST   /ledger/{policy:str}/withdraw
MPEA  no key          *GET    /switches
MPE.  switch:stop     *GET    /switches/turn
.PE.  switch:resume   *GET    /switches/turn [turn=resume]
MPE.  switch:stop     *POST   /switches
.PE.  actions:undo    *GET    /undo
.PE.  actions:undo    *POST   /undo
MPEA  open            GET     /health
MPEA  open            GET     /ready
.PEA  decisions:read  GET     /metrics
MPEA  open            GET     /
MPEA  open            GET     /schema
MPEA  open            GET     /page/{name:str}
MPEA  any             GET     /schema/openapi.json
"""


class Line(NamedTuple):
    """One line: who is let in."""

    method: str
    path: str
    more: str
    roles: frozenset[Role]
    key: str
    page: bool


def lines():
    """Return the lines of the table."""
    found = []
    for text in TABLE.strip().splitlines():
        roles, key, page, method, path, more = re.fullmatch(
            r"([MPEA.]{4})  (no key|[\w:]+) +(\*?)(GET|POST|PUT|DELETE|PATCH) +(\S+)(?: \[(.+)\])?", text
        ).groups()
        let_in = {ROLES[letter] for letter in roles if letter != "."}
        assert all(letter in (".", place) for letter, place in zip(roles, "MPEA", strict=True)), text
        found.append(Line(method, path, more or "", frozenset(let_in), key, bool(page)))
    return found
