"""What schemathesis is told about our bodies and our people (SCHEMATHESIS_HOOKS).

`FUZZ_PEOPLE`: a JSON object, key of a person → access token. Making an example costs far more than
sending it, so each is sent as every person: first as one of them in turn, whose answer schemathesis
judges and learns ids from; then by the check `as_everyone` as the others, judged likewise.

`FUZZ_KNOWN`: a JSON object, name of a parameter or of a body's field → ids of records that there
are; three of four examples have one of them, as most made-up ids only ever meet a 404.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import random
from typing import Any

import requests
import schemathesis
from schemathesis.core.transport import Response
from schemathesis.specs.openapi import converter

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")

PEOPLE: dict[str, str] = json.loads(os.environ["FUZZ_PEOPLE"])
KNOWN: dict[str, list[str]] = json.loads(os.environ.get("FUZZ_KNOWN", "{}"))
ENDED = ("accounts/session-ended", "ground/sign-in-needed")


def _claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


OWN = {_claims(token)[name] for token in PEOPLE.values() for name in ("sid", "sub")}
_turn = itertools.cycle(PEOPLE)
_session = requests.Session()
_session.trust_env = False  # else it looks through the environment for proxies at each request


_fold = converter.update_pattern_in_schema


def _fold_short(schema: dict[str, Any]) -> None:
    """Leaves a limit of thousands beside its pattern, where it says the same. Folded into it,
    `[^\\x00]{0,20000}` takes a third of a second to compile, and that for each schema with it."""
    if (schema.get("maxLength") or 0) <= 1000:
        _fold(schema)


converter.update_pattern_in_schema = _fold_short


@schemathesis.hook
def filter_case(ctx: Any, case: Any) -> bool:
    """Nobody ends a session or an account of those who play: the rest would be 401 alone."""
    return case.method == "GET" or not OWN & {str(v) for v in case.path_parameters.values()}


_chance = random.Random(1)


def _known(found: Any) -> Any:
    if isinstance(found, dict):
        for name in KNOWN.keys() & found.keys():
            if found[name] is not None and _chance.random() < 0.75:
                found[name] = _chance.choice(KNOWN[name])
    return found


@schemathesis.hook
def map_path_parameters(ctx: Any, path_parameters: Any) -> Any:
    return _known(path_parameters)


@schemathesis.hook
def map_body(ctx: Any, body: Any) -> Any:
    return _known(body)


@schemathesis.auth(refresh_interval=None)
class InTurn:
    def get(self, case: Any, ctx: Any) -> str:
        return PEOPLE[next(_turn)]

    def set(self, case: Any, data: str, ctx: Any) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.check
def as_everyone(ctx: Any, response: Response, case: Any) -> None:
    """The same request as the other people; nobody may be told that their session has ended."""
    first = response.request.headers.get("Authorization", "").removeprefix("Bearer ")
    checks = [check for check in ctx.internals.checks if check is not as_everyone]
    for key, token in PEOPLE.items():
        found = response
        if token != first:  # which is none of them where schemathesis tries what nobody gets
            request = response.request.copy()
            request.headers["Authorization"] = f"Bearer {token}"
            found = Response.from_requests(_session.send(request, timeout=20), verify=True)
            case.validate_response(found, checks=checks)
        told = found.status_code == 401 and any(code in found.text for code in ENDED)
        assert not told, f"as {key}: {found.text}"
