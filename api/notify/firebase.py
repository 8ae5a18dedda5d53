"""Push through `firebase-admin`: blocking, so the worker calls it in a thread; judged by answer.

Not its `send_each`: an error of the credentials there hides which of a batch were delivered
(`UnknownError`). Here each token has an answer of its own. FCM HTTP v1 knows no multicast call, a
batch is as many requests either way.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

log = logging.getLogger("superapp.notify")
BATCH = 500
THREADS = 16
TIMEOUT_S = 10.0
SLOW_DOWN = timedelta(minutes=1)
"""After 429 without Retry-After, as Google's guide asks."""


class Push(msgspec.Struct, frozen=True):
    """What one device shows. `tag`: a second push of one tag takes the place of the first."""

    token: str
    title: str
    text: str
    tag: str
    data: dict[str, str]


class Outcome(Enum):
    sent = 1
    dead = 2  # this token will never work again
    refused = 3  # this push never will
    again = 4


class Answer(NamedTuple):
    outcome: Outcome
    code: str = ""
    after: timedelta | None = None


class Unusable(Exception):
    """The credentials cannot be read."""


class Sender:
    """An app of `firebase-admin` with the credentials of a service account."""

    def __init__(
        self, credentials: Path | Mapping[str, Any], *, timeout_s: float = TIMEOUT_S
    ) -> None:
        """Raises `Unusable`. Imports here: only the worker pays for it."""
        import firebase_admin
        from firebase_admin import credentials as kinds

        given = str(credentials) if isinstance(credentials, Path) else dict(credentials)
        try:
            certificate = kinds.Certificate(given)
            self._app = firebase_admin.initialize_app(
                certificate, {"httpTimeout": timeout_s}, name=f"superapp-{id(self)}"
            )
            _retry_nothing(self._app)
        except (OSError, ValueError) as error:
            raise Unusable(f"Firebase credentials: {error}") from error

    def close(self) -> None:
        """Blocks; outside of an event loop, for `firebase-admin` runs one of its own."""
        import firebase_admin

        firebase_admin.delete_app(self._app)

    def send(self, pushes: Sequence[Push]) -> list[Answer]:
        """Blocks until each has an answer, in the order given; never raises for one of them."""
        if not pushes:
            return []
        with ThreadPoolExecutor(min(THREADS, len(pushes))) as threads:
            return list(threads.map(self._send, pushes))

    def _send(self, push: Push) -> Answer:
        from firebase_admin import messaging

        try:
            messaging.send(_message(push), app=self._app)
        except Exception as error:
            return judge(error)
        return Answer(Outcome.sent)


def _retry_nothing(app: Any) -> None:
    """The job tries again, not the library: told `Retry-After: 1200` it would sleep for 20 minutes
    in the thread, and after a lost answer it would push a second time."""
    from firebase_admin import messaging
    from requests.adapters import HTTPAdapter

    session = messaging._get_messaging_service(app)._client.session
    for prefix in list(session.adapters):
        session.mount(prefix, HTTPAdapter(pool_maxsize=THREADS, max_retries=0))


def _message(push: Push) -> Any:
    from firebase_admin import messaging as m

    message = m.Message(
        notification=m.Notification(title=push.title, body=push.text),
        data=push.data,
        # Not a collapse key: FCM keeps only four of them for a device.
        android=m.AndroidConfig(notification=m.AndroidNotification(tag=push.tag)),
        apns=m.APNSConfig(headers={"apns-collapse-id": push.tag}),
        webpush=m.WebpushConfig(notification=m.WebpushNotification(tag=push.tag)),
    )
    # Its constructor calls tokens deprecated for installation ids; the apps' libraries give tokens.
    message.token = push.token
    return message


def judge(error: Exception) -> Answer:
    """What an error of one push means (FCM HTTP v1 error codes)."""
    from firebase_admin import exceptions, messaging

    code = type(error).__name__
    if isinstance(error, messaging.UnregisteredError | messaging.SenderIdMismatchError):
        return Answer(Outcome.dead, code)
    if isinstance(error, exceptions.InvalidArgumentError):
        # The same code for a broken token and for a broken message of ours: only the first is dead.
        dead = "registration token" in str(error).lower() or _blames_token(error)
        return Answer(Outcome.dead if dead else Outcome.refused, code)
    if isinstance(error, exceptions.ResourceExhaustedError):  # quota of all or of this device
        return Answer(Outcome.again, code, _retry_after(error))
    if isinstance(error, ValueError):  # `firebase-admin` refuses to encode it
        return Answer(Outcome.refused, code)
    return Answer(Outcome.again, code)


def _blames_token(error: Any) -> bool:
    try:
        details = error.http_response.json()["error"].get("details", [])
        fields = [v["field"] for d in details for v in d.get("fieldViolations", [])]
    except (AttributeError, KeyError, TypeError, ValueError):
        return False
    return "message.token" in fields


def _retry_after(error: Any) -> timedelta:
    response = error.http_response  # an answer of 4xx is false
    given = "" if response is None else response.headers.get("Retry-After", "")
    wait = timedelta(seconds=min(int(given), 3600)) if given.isdigit() else SLOW_DOWN
    return wait * random.uniform(1.0, 1.5)  # noqa: S311 - no secret


_sender: Sender | None = None


def use(sender: Sender | None) -> None:
    """Makes `sender` that of this process; the worker calls it once. None: push is off."""
    global _sender
    _sender = sender


def current() -> Sender | None:
    return _sender
