"""PostgreSQL: one pool, one transaction a write, rows straight into Structs.

Services get a `Tx` and neither begin nor commit, so that the API, the worker, the commands and
the tests run the same verbs. A Struct is built by position: column order is field order, which
`tests/test_every_query.py` holds against the data base.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from api import clock
from api.permissions import NOBODY, Actor
from api.problems import BY_CONSTRAINT, Overloaded, Problem

T = TypeVar("T")
Retry = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
Unreachable = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,  # shut down, crashed, starting, cancelled
    asyncpg.InsufficientResourcesError,  # disk, memory, connections
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # no longer the primary
)
WAIT_S = 5.0
"""So long a request waits for a free connection before it is told to come back."""
GIVE_UP_S = 2.0
"""So long a connection has to end what failed or ran too long on it; after that it is dropped."""

Unstorable = (asyncpg.DataError,)


class _Connection(asyncpg.Connection):
    """A connection whose return to the pool costs no statement; we leave no session state.

    `told` keeps what its server was asked once. It ends with the connection, so that it never
    speaks of another server that has taken the place of the first.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.told: dict[str, str] = {}

    def get_reset_query(self) -> str:
        return ""


class Tx:
    """Statements of one transaction, made by `actor` at `now` (read once)."""

    __slots__ = ("_connection", "actor", "now", "request_id")

    def __init__(self, connection: Any, actor: Actor, request_id: str = "") -> None:
        self._connection = connection
        self.actor = actor
        self.now: datetime = clock.now()
        self.request_id = request_id

    def by(self, actor: Actor) -> Tx:
        """The same transaction, for what `actor` does in it."""
        found = Tx(self._connection, actor, self.request_id)
        found.now = self.now
        return found

    @property
    def told(self) -> dict[str, str]:
        """What the server at the other end was asked once, for as long as this connection lives."""
        found: dict[str, str] = self._connection.told
        return found

    async def one(self, kind: type[T], sql: str, *args: Any) -> T:
        """Exactly one row; anything else is a fault of ours and a 500."""
        rows = await self.all(kind, sql, *args)
        if len(rows) != 1:
            raise RuntimeError(f"{len(rows)} rows where one must be: {sql[:60]}")
        return rows[0]

    async def maybe_one(self, kind: type[T], sql: str, *args: Any) -> T | None:
        try:
            row = await self._connection.fetchrow(sql, *args)
        except asyncpg.IntegrityConstraintViolationError as error:
            raise _problem(error) from error
        return None if row is None else kind(*row)

    async def all(self, kind: type[T], sql: str, *args: Any) -> list[T]:
        try:
            rows = await self._connection.fetch(sql, *args)
        except asyncpg.IntegrityConstraintViolationError as error:
            raise _problem(error) from error
        return [kind(*row) for row in rows]

    async def each(self, kind: type[T], sql: str, of: Sequence[Sequence[Any]]) -> list[T]:
        """The rows of one statement, run for each arguments in `of` in their order: one round trip
        for all. An error of one is an error of all."""
        try:
            rows = await self._connection.fetchmany(sql, of)
        except asyncpg.IntegrityConstraintViolationError as error:
            raise _problem(error) from error
        return [kind(*row) for row in rows]

    async def run_each(self, sql: str, of: Sequence[Sequence[Any]]) -> None:
        """As `each`, for what gives no rows."""
        try:
            await self._connection.executemany(sql, of)
        except asyncpg.IntegrityConstraintViolationError as error:
            raise _problem(error) from error

    async def value(self, sql: str, *args: Any) -> Any:
        """The first column of the first row, or None."""
        try:
            return await self._connection.fetchval(sql, *args)
        except asyncpg.IntegrityConstraintViolationError as error:
            raise _problem(error) from error

    async def values(self, sql: str, *args: Any) -> list[Any]:
        """The first column of every row."""
        try:
            return [row[0] for row in await self._connection.fetch(sql, *args)]
        except asyncpg.IntegrityConstraintViolationError as error:
            raise _problem(error) from error

    async def run(self, sql: str, *args: Any) -> int:
        """How many rows the statement touched."""
        try:
            status: str = await self._connection.execute(sql, *args)
        except asyncpg.IntegrityConstraintViolationError as error:
            raise _problem(error) from error
        tail = status.rpartition(" ")[2]
        return int(tail) if tail.isdigit() else 0

    async def lock(self, records: Iterable[UUID]) -> None:
        """Holds `records` until the transaction ends, always taken in one order.

        Advisory, so that a record may be locked before it exists. What is read must be read by a
        later statement: this one's snapshot is older than the locks.
        """
        keys = sorted({_lock_key(record) for record in records})
        await self._connection.fetch(
            "select pg_advisory_xact_lock(k) from unnest($1::bigint[]) as k", keys
        )

    async def try_lock(self, record: UUID) -> bool:
        """As `lock` for one record, but says no where somebody else holds it."""
        return bool(await self.value("select pg_try_advisory_xact_lock($1)", _lock_key(record)))

    @asynccontextmanager
    async def savepoint(self, *, last: bool = False) -> AsyncIterator[None]:
        """What happens inside is undone alone when it raises.

        `last`: only the commit follows, which releases it too, and a round trip is saved. For a
        reader, which has no transaction, it is one.
        """
        if not self._connection.is_in_transaction():
            async with self._connection.transaction():
                yield
            return
        await self._connection.execute("savepoint inside")
        try:
            yield
        except BaseException:
            undo = "rollback to savepoint inside; release savepoint inside"
            await self._connection.execute(undo, timeout=GIVE_UP_S)
            raise
        if not last:
            await self._connection.execute("release savepoint inside")


class _Transaction:
    """What `Database.begin` gives: two statements and the pool, since every write passes here."""

    __slots__ = ("_connection", "_db", "_of")

    def __init__(self, db: Database, actor: Actor, request_id: str) -> None:
        self._db, self._of = db, (actor, request_id)
        self._connection: Any = None

    async def __aenter__(self) -> Tx:
        self._connection = connection = await self._db.acquire()
        try:
            await connection.execute("begin")
        except BaseException:
            await self._db.take_back(connection)
            raise
        return Tx(connection, *self._of)

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            if error is None:
                await self._connection.execute("commit")
            else:
                # Lost, it may be taken from us already: then nothing is to be undone, and the
                # error stands.
                with contextlib.suppress(*Unreachable):
                    if not self._connection.is_closed():
                        await self._connection.execute("rollback", timeout=GIVE_UP_S)
        finally:
            await self._db.take_back(self._connection)
        if isinstance(error, Problem):
            await self._db.survive(error, *self._of)


def _lock_key(record: UUID) -> int:
    return int.from_bytes(record.bytes[8:], "big", signed=True)


def _problem(error: asyncpg.IntegrityConstraintViolationError) -> Exception:
    """The one problem that names the violated constraint; else the error itself: a fault."""
    found = BY_CONSTRAINT.get(error.constraint_name or "")
    return error if found is None else found()


class Database:
    """The pool. `begin` for writes, `read` for reads, `retrying` for work that may be replayed."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        size: int = 10,
        role: str = "superapp_app",
        statement_s: float = 60.0,
    ) -> Database:
        """Opens the pool as `role`, which owns no table; raises `OSError` or `asyncpg` errors.

        A statement without an answer after `statement_s` is cancelled and raises TimeoutError.
        """
        settings = {"application_name": "superapp", "timezone": "UTC", "lock_timeout": "5s"}
        if role:
            settings["role"] = role
        pool = await asyncpg.create_pool(
            url,
            min_size=min(2, size),
            max_size=size,
            connection_class=_Connection,
            statement_cache_size=512,
            max_inactive_connection_lifetime=0,
            server_settings=settings,
            command_timeout=statement_s,
        )
        return cls(pool)

    async def acquire(self) -> Any:
        """A connection of the pool; raises TimeoutError when none comes free in `WAIT_S`."""
        async with asyncio.timeout(WAIT_S):
            return await self.pool.acquire()

    async def take_back(self, connection: Any) -> None:
        """Returns a connection to the pool. One whose last statement was not answered has
        `GIVE_UP_S` to acknowledge that it was cancelled; then it is dropped, not waited for."""
        with contextlib.suppress(*Unreachable):
            await self.pool.release(connection, timeout=GIVE_UP_S)

    async def close(self) -> None:
        try:
            await asyncio.wait_for(self.pool.close(), timeout=5)
        except TimeoutError:
            self.pool.terminate()

    def begin(self, actor: Actor = NOBODY, request_id: str = "") -> AbstractAsyncContextManager[Tx]:
        """One transaction, committed on leaving, rolled back by any exception.

        What a Problem wants to survive is committed in a transaction of its own right after.
        """
        return _Transaction(self, actor, request_id)

    async def survive(self, problem: Problem, actor: Actor, request_id: str = "") -> None:
        """Commits what a problem wants to survive."""
        if problem.survivors:
            async with self.begin(actor, request_id) as tx:
                for act in problem.survivors:
                    await act(tx)

    @asynccontextmanager
    async def read(self, actor: Actor = NOBODY, request_id: str = "") -> AsyncIterator[Tx]:
        """Statements without a transaction block: each sees its own moment."""
        connection = await self.acquire()
        try:
            yield Tx(connection, actor, request_id)
        finally:
            await self.take_back(connection)

    async def retrying(
        self, work: Callable[[Tx], Awaitable[T]], actor: Actor, request_id: str = ""
    ) -> T:
        """`work` in one transaction, run again as a whole after a deadlock or serialization error.

        Raises `Overloaded` after five tries.
        """
        for attempt in range(5):
            try:
                async with self.begin(actor, request_id) as tx:
                    return await work(tx)
            except Retry:
                jitter = random.uniform(0, 0.02 * 2**attempt)  # noqa: S311 - no secret
                await asyncio.sleep(jitter)
        raise Overloaded()
