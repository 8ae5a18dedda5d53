"""Who calls the server: a browser that signs in, a desk, a phone with its own copy of the data."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import secrets
import select
import socket
import time
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec

PHONE = ("superapp-phone", "th.go.industry.superapp:/signed-in")
DESK = ("superapp-desk", "http://127.0.0.1:49152/signed-in")


class NotAsItShould(Exception):
    """What was expected, and what came instead."""


class Caller:
    """One signed-in device. Paths are those of the API; bodies and answers are JSON."""

    def __init__(self, url: str, client: tuple[str, str], device: str) -> None:
        self.url = url
        self.client, self.redirect = client
        self.device = device
        self.http = httpx.Client(base_url=url, timeout=30)
        self.access = self.refresh = ""
        self.cursor: str | None = None
        self.records: dict[tuple[str, str], Any] = {}

    @classmethod
    def phone(cls, url: str, owner: str) -> Caller:
        return cls(url, PHONE, f"โทรศัพท์ของ {owner}")

    @classmethod
    def desk(cls, url: str, owner: str) -> Caller:
        return cls(url, DESK, f"คอมพิวเตอร์ของ {owner}")

    # --- signing in -----------------------------------------------------------------------------

    def sign_in(self, who: str) -> list[str]:
        """A session, through the pages that a person sees. Returns the stations of the way."""
        way, answer = self._through_the_pages(who, {})
        self.access, self.refresh = answer["access_token"], answer["refresh_token"]
        return way

    def ticket_for(self, who: str, sha256: str) -> str:
        """A ticket to sign what has this hash: the person logs in once more, for it alone."""
        _, answer = self._through_the_pages(who, {"purpose": "sign", "purpose_hash": sha256})
        return str(answer["ticket"])

    def _through_the_pages(
        self, who: str, more: dict[str, str]
    ) -> tuple[list[str], dict[str, Any]]:
        """Authorization code with PKCE: the stations, and what the token endpoint answered.

        A browser of its own carries the cookies.
        """
        verifier, state = secrets.token_urlsafe(32), secrets.token_urlsafe(16)
        query = {
            "response_type": "code",
            "client_id": self.client,
            "redirect_uri": self.redirect,
            "code_challenge": _b64(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
            "state": state,
            "device_name": self.device,
        } | more
        way = []
        with httpx.Client(base_url=self.url, headers={"Accept": "text/html"}) as browser:
            page = browser.get("/oauth/authorize", params=query)
            while not page.headers.get("location", "").startswith(self.redirect):
                way.append(f"{page.url.path} {page.status_code}")
                if page.is_redirect:
                    page = browser.get(page.headers["location"])
                    continue
                if page.status_code != 200:
                    raise NotAsItShould(f"sign-in of {who}: {page.status_code} {page.text[:300]}")
                page = browser.get(page.url.join(_link_of(page.text, who)))
            way.append(f"{page.url.path} {page.status_code}")
        back = {k: v[0] for k, v in parse_qs(urlsplit(page.headers["location"]).query).items()}
        if back.get("state") != state or back.get("iss") != self.url or "code" not in back:
            raise NotAsItShould(f"sign-in of {who} came back with {sorted(back)}")
        form = {
            "grant_type": "authorization_code",
            "client_id": self.client,
            "redirect_uri": self.redirect,
            "code": back["code"],
            "code_verifier": verifier,
        }
        answer = self.http.post("/oauth/token", data=form)
        if answer.status_code != 200:
            raise NotAsItShould(f"token for {who}: {answer.status_code} {answer.text[:300]}")
        way.append(f"/oauth/token {answer.status_code}")
        return way, answer.json()

    def renew(self) -> httpx.Response:
        """Asks for the next tokens and hands the answer back as it is."""
        form = {
            "grant_type": "refresh_token",
            "client_id": self.client,
            "refresh_token": self.refresh,
        }
        return self.http.post("/oauth/token", data=form)

    # --- requests -------------------------------------------------------------------------------

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        status: int = 200,
        version: int | None = None,
        **query: Any,
    ) -> Any:
        """The decoded answer. Raises `NotAsItShould` when the status is not `status`."""
        headers = {"Authorization": f"Bearer {self.access}", "Accept-Language": "en"}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = _encode(body)
        answer = self.http.request(method, path, content=content, headers=headers, params=query)
        if answer.status_code != status:
            raise NotAsItShould(
                f"{method} {path} should answer {status}\n"
                f"  but: {answer.status_code} {answer.text[:600]}"
            )
        return answer.json() if answer.content else None

    def get(self, path: str, *, status: int = 200, **query: Any) -> Any:
        return self.ask("GET", path, status=status, **query)

    def post(
        self, path: str, body: Any = None, *, status: int = 200, version: int | None = None
    ) -> Any:
        return self.ask("POST", path, body, status=status, version=version)

    # --- the phone ------------------------------------------------------------------------------

    def pull(self, *kinds: str) -> int:
        """Takes in everything that is new; returns how many records came.

        With `kinds` only those, and the place in the feed stays as it was.
        """
        cursor, came = (None if kinds else self.cursor), 0
        while True:
            asked: dict[str, Any] = {"cursor": cursor} if cursor else {}
            page = self.get("/v1/sync", **asked | ({"kinds": list(kinds)} if kinds else {}))
            if page.get("reset") and not kinds:
                self.records.clear()
            for change in page["changes"]:
                key = change["kind"], change["id"]
                if change.get("gone"):
                    self.records.pop(key, None)
                else:
                    self.records[key] = change["record"]
            came += len(page["changes"])
            cursor = page["next"]
            if not page["more"]:
                break
        if not kinds:
            self.cursor = cursor
        return came

    def pull_until(self, kind: str, id: str, wanted: Callable[[Any], bool]) -> Any:
        """Pulls until `wanted` is true of the record, as a phone does: the feed may lag a moment.

        Raises `NotAsItShould` after 15 s.
        """
        end = time.monotonic() + 15
        while True:
            self.pull()
            found = self.records.get((kind, id))
            if found is not None and wanted(found):
                return found
            if time.monotonic() > end:
                raise NotAsItShould(f"the {kind} {id} should have come with the pull\n  {found}")
            time.sleep(0.2)

    def of_kind(self, kind: str) -> list[Any]:
        return [record for (found, _), record in self.records.items() if found == kind]

    def push(self, *operations: dict[str, Any]) -> list[dict[str, Any]]:
        """Sends operations gzip-compressed; a result for each."""
        answer = self.http.post(
            "/v1/sync", content=packed(operations), headers=self._push_headers()
        )
        if answer.status_code != 200:
            raise NotAsItShould(f"push: {answer.status_code} {answer.text[:600]}")
        results: list[dict[str, Any]] = answer.json()["results"]
        return results

    def push_and_lose_the_answer(self, *operations: dict[str, Any]) -> int:
        """Sends the same, waits until the answer is at the door, and drops the connection unread.

        Returns the bytes sent. Closed with unread data, the connection is reset (RFC 9293 §3.6.1).
        """
        body, host = packed(operations), urlsplit(self.url)
        headers = self._push_headers() | {
            "Host": host.netloc,
            "Content-Length": str(len(body)),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        with socket.create_connection((host.hostname or "", host.port or 80), 10) as line:
            line.sendall(f"POST /v1/sync HTTP/1.1\r\n{head}\r\n".encode() + body)
            ready, _, _ = select.select([line], [], [], 30)
            if not ready:
                raise NotAsItShould("the server did not answer a push within 30 s")
        return len(body)

    def _push_headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.access}",
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
        }


def packed(operations: tuple[dict[str, Any], ...]) -> bytes:
    """A push as it goes over the line."""
    return gzip.compress(_encode({"operations": operations}), mtime=0)


def _link_of(page: str, who: str) -> str:
    """The link of a sample account on the development provider's page."""
    for found in re.findall(r'href="([^"]+)"', page):
        link = unescape(found)
        if parse_qs(urlsplit(link).query).get("who") == [who]:
            return link
    raise NotAsItShould(f"the sign-in page does not offer {who}")


def _encode(body: Any) -> bytes:
    return msgspec.json.encode(body, enc_hook=str)


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
