"""A local server that speaks FCM HTTP v1 and Google's token endpoint, as far as a sender sees it.

What a token says it is answered with: `sleep-…` is late, `gone-…` unregistered, and so on.
"""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
AUDIENCE = "https://oauth2.googleapis.com/token"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


def error(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def fcm(code: str) -> dict[str, Any]:
    return {"@type": FCM_ERROR, "errorCode": code}


ANSWERS: dict[str, tuple[int, dict[str, Any]]] = {
    "gone": (404, error(404, "NOT_FOUND", "Requested entity was not found.", fcm("UNREGISTERED"))),
    "alien": (
        403,
        error(403, "PERMISSION_DENIED", "SenderId mismatch", fcm("SENDER_ID_MISMATCH")),
    ),
    "broken": (
        400,
        error(
            400,
            "INVALID_ARGUMENT",
            "The registration token is not a valid FCM registration token",
            fcm("INVALID_ARGUMENT"),
        ),
    ),
    "blamed": (
        400,
        error(
            400,
            "INVALID_ARGUMENT",
            "Invalid value",
            {"@type": BAD_REQUEST, "fieldViolations": [{"field": "message.token"}]},
        ),
    ),
    "toobig": (
        400,
        error(400, "INVALID_ARGUMENT", "Message is too big", fcm("INVALID_ARGUMENT")),
    ),
    "quota": (429, error(429, "RESOURCE_EXHAUSTED", "Quota exceeded", fcm("QUOTA_EXCEEDED"))),
    "down": (500, error(500, "INTERNAL", "Internal error", fcm("INTERNAL"))),
    "busy": (503, error(503, "UNAVAILABLE", "Unavailable", fcm("UNAVAILABLE"))),
    "nobody": (401, error(401, "UNAUTHENTICATED", "Bad credentials")),
    "proxy": (502, {}),  # a page of something in between, in HTML
    "noproject": (404, error(404, "NOT_FOUND", "Project not found")),
}


@functools.cache
def service_key() -> rsa.RSAPrivateKey:
    """The service account's; one is enough for all tests."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Fcm:
    """What the server received, and how it is to behave."""

    def __init__(self) -> None:
        self.key = service_key()
        self.requests: list[dict[str, Any]] = []
        self.accepted: list[dict[str, Any]] = []
        self.tokens_issued = 0
        self.token_answer = 200
        self.healed: set[str] = set()
        """Tokens that are answered 200 from now on."""
        self.headers: dict[str, str] = {}
        self.sleep_s = 2.0
        self.lock = threading.Lock()
        self.url = ""

    def credentials(self) -> dict[str, str]:
        pem = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return {
            "type": "service_account",
            "project_id": "superapp-sample",
            "private_key_id": "sample",
            "private_key": pem.decode(),
            "client_email": "push@superapp-sample.example.invalid",
            "client_id": "1",
            "token_uri": f"{self.url}/token",
        }

    def told(self, token: str) -> int:
        return sum(1 for message in self.accepted if message["token"] == token)

    def tried(self, token: str) -> int:
        return sum(1 for message in self.requests if message["token"] == token)

    def lost(self, token: str) -> bool:
        """Whether the line is cut before the answer; the message was taken."""
        return token.startswith("cut") and token not in self.healed

    def issue(self, assertion: str) -> tuple[int, dict[str, Any]]:
        """Verifies the signed assertion of the service account (RFC 7523)."""
        with self.lock:
            self.tokens_issued += 1
        if self.token_answer != 200:
            return self.token_answer, {"error": "server_error"}
        claims = jwt.decode(
            assertion, self.key.public_key(), algorithms=["RS256"], audience=AUDIENCE
        )
        assert "firebase.messaging" in claims["scope"] or "cloud-platform" in claims["scope"]
        return 200, {"access_token": "ya29.sample", "expires_in": 3600, "token_type": "Bearer"}

    def push(self, path: str, bearer: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        message = body["message"]
        with self.lock:
            self.requests.append(message)
        if bearer != "Bearer ya29.sample":
            return ANSWERS["nobody"]
        assert path == "/v1/projects/superapp-sample/messages:send"
        token: str = message["token"]
        if token not in self.healed:
            if token.startswith("sleep"):
                time.sleep(self.sleep_s)
            found = ANSWERS.get(token.partition("-")[0])
            if found is not None:
                return found
        with self.lock:
            self.accepted.append(message)
        return 200, {"name": f"projects/superapp-sample/messages/{len(self.accepted)}"}


@contextmanager
def running() -> Iterator[Fcm]:
    """The server on a port of its own, until the end of the `with`."""
    fake = Fcm()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/token":
                status, answer = fake.issue(parse_qs(body.decode())["assertion"][0])
            else:
                bearer = self.headers.get("Authorization", "")
                status, answer = fake.push(self.path, bearer, json.loads(body))
            if self.path != "/token" and fake.lost(json.loads(body)["message"]["token"]):
                self.close_connection = True
                return
            content = json.dumps(answer).encode() if answer else b"<html>Bad Gateway</html>"
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                for name, value in fake.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                self.close_connection = True  # who timed out is gone

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
