"""The phone's sync on the wire: pushes, results, changes, receipts."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import msgspec

from api.clock import Moment
from api.inspection.checklists.rule_values import Flag
from api.problems import Conflict, Invalid, NotFound

MAX_OPERATIONS = 50
CONTRACTS = (1,)
"""Contract versions of new operations that are accepted; each for twelve months after its
successor. What was stored under another one still gets its first result."""

Status = Literal["stored", "flagged", "conflict", "rejected", "retry"]


class Push(msgspec.Struct):
    """Up to 50 operations in the order in which the phone made them.

    Each is decoded on its own, so that one that cannot be understood does not fail the others.
    """

    operations: list[msgspec.Raw]


class Envelope(msgspec.Struct):
    """What is read of an operation before its content: enough to tell a replay."""

    id: UUID
    op: str
    visit: UUID
    contract: int = 1


class Result(msgspec.Struct, omit_defaults=True):
    """What became of one operation.

    `stored`; `flagged`: stored, and something about it is odd; `conflict`: stored, and items
    differ from a colleague's; `rejected`: not stored, `problem` says why; `retry`: not stored,
    send it again. `receipt` is a JWS over id, keyed hash and time, the same at every replay.
    """

    id: UUID | None
    status: Status
    replayed: bool = False
    flags: list[Flag] = []
    conflicts: list[str] = []
    problem: dict[str, Any] | None = None
    receipt: str | None = None


class PushResults(msgspec.Struct):
    """A result for each operation, in the order sent; 200 also where some are rejected."""

    results: list[Result]


class Stored(msgspec.Struct):
    """An operation that the server holds."""

    id: UUID
    kind: str
    record: UUID
    account: UUID
    received_at: Moment
    hash: bytes
    result: str
    receipt: str


class ChangeRow(msgspec.Struct):
    scope: str
    kind: str
    record: UUID
    xid: int
    seq: int
    gone: bool


class Change(msgspec.Struct, omit_defaults=True):
    """One record as it stands now; `gone`: forget it (it left the caller's scope, or ended)."""

    kind: str
    id: UUID
    gone: bool = False
    record: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Pull(msgspec.Struct):
    """A bounded page of what changed since the cursor.

    `reset`: the cursor is of another epoch or scope; forget what was pulled and begin with this
    page. `more`: another page waits. `next` is kept for the next pull.
    """

    changes: list[Change]
    next: str
    more: bool
    reset: bool = False


class Cursor(msgspec.Struct, array_like=True):
    """Opaque to phones: feed epoch, digest of the scopes, and the place in the feed."""

    epoch: str
    scopes: str
    xid: int
    seq: int


class Receipt(msgspec.Struct):
    """The server's signed word that it holds an operation; the phone may now delete its copy."""

    id: UUID
    received_at: Moment
    receipt: str


class TooManyOperations(
    Invalid,
    code="sync/too-many-operations",
    th="ส่งได้ครั้งละไม่เกิน {limit} รายการ",
    en="At most {limit} operations fit in one push",
):
    """Send the rest in another push; nothing of this one was stored."""


class OperationUnreadable(
    Invalid,
    code="sync/operation-unreadable",
    th="อ่านรายการนี้ไม่ได้: {reason}",
    en="The operation cannot be understood: {reason}",
):
    """Its id, kind or visit is missing or of the wrong type, or the kind is unknown."""


class ContractUnknown(
    Invalid,
    code="sync/contract-unknown",
    th="แอปรุ่นนี้เก่าหรือใหม่เกินไป กรุณาปรับรุ่น",
    en="This contract version is not accepted; update the app",
):
    """`accepted` lists the versions that are."""


class OperationDiffers(
    Conflict,
    code="sync/operation-differs",
    th="รหัสรายการนี้เคยส่งมาแล้วด้วยเนื้อหาอื่น",
    en="This operation id was sent before with other content",
):
    """`differs` lists where, told to the original sender alone."""


class OperationNotFound(
    NotFound,
    code="sync/no-such-operation",
    th="ไม่พบรายการนี้",
    en="There is no such operation",
):
    """Somebody else's operation id, or none."""
