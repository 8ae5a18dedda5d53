"""Rate limits as token buckets in the data base: they hold over restarts and several servers."""

from __future__ import annotations

import hmac
import math
from collections.abc import Sequence
from typing import NamedTuple

from api import keys
from api.db import Tx
from api.problems import TooMany


class TooFast(
    TooMany,
    code="ground/too-fast",
    th="เรียกบ่อยเกินไป กรุณารอ {retry_after_s} วินาที",
    en="Too many requests; please wait {retry_after_s} seconds",
):
    """`retry_after_s` says when the next one is welcome."""


async def take(tx: Tx, bucket: str, *, capacity: float, per_second: float) -> None:
    """Takes one token of `bucket`, which holds `capacity` and refills at `per_second`.

    Raises `TooFast`. `bucket` names purpose and a keyed hash or id, never an address or a CID in
    clear. A token is given back when the transaction rolls back, so a limit on failing attempts
    is taken in a transaction of its own.
    """
    # Servers' clocks differ a little, which must not refill; a bucket touched more than a minute in
    # the future was touched by a clock that has since been put right: so it must open.
    left = await tx.value(
        """
        insert into rate_limit as r (bucket, tokens, at) values ($1, $2 - 1, $4)
        on conflict (bucket) do update set
            tokens = least($2, r.tokens + $3 * greatest(0,
                extract(epoch from excluded.at - r.at),
                extract(epoch from r.at - excluded.at) - 60)) - 1,
            at = case when r.at > excluded.at + interval '1 minute' then excluded.at
                else greatest(r.at, excluded.at) end
        where least($2, r.tokens + $3 * greatest(0,
            extract(epoch from excluded.at - r.at),
            extract(epoch from r.at - excluded.at) - 60)) >= 1
        returning tokens
        """,
        bucket,
        float(capacity),
        float(per_second),
        tx.now,
    )
    if left is None:
        raise TooFast(retry_after_s=max(1, math.ceil(1 / per_second)))


def named(purpose: str, value: str) -> str:
    """The name of the bucket of somebody who must not be known by it. Unlike a blind index it stays
    the same when that key is rotated, which would fill every bucket again."""
    name = hmac.digest(keys.ring().derive("limit"), f"{purpose}\0{value}".encode(), "sha256")
    return f"{purpose}:{name.hex()}"


class Bucket(NamedTuple):
    """A bucket as `take` has it."""

    name: str
    capacity: float
    per_second: float


async def take_all(tx: Tx, buckets: Sequence[Bucket]) -> None:
    """A token of each of `buckets` in one statement, or none at all. Raises `TooFast`."""
    wanted = sorted(buckets)
    columns = [list(column) for column in zip(*wanted, strict=True)]
    left = await tx.values(
        """
        with wanted as (
            select * from unnest($1::text[], $2::float8[], $3::float8[])
                as w(bucket, capacity, per_second)
        )
        insert into rate_limit as r (bucket, tokens, at)
        select bucket, capacity - 1, $4 from wanted
        on conflict (bucket) do update set
            tokens = least(excluded.tokens + 1, r.tokens + greatest(0,
                extract(epoch from excluded.at - r.at),
                extract(epoch from r.at - excluded.at) - 60) * (
                select w.per_second from wanted w where w.bucket = excluded.bucket)) - 1,
            at = case when r.at > excluded.at + interval '1 minute' then excluded.at
                else greatest(r.at, excluded.at) end
        where least(excluded.tokens + 1, r.tokens + greatest(0,
            extract(epoch from excluded.at - r.at),
            extract(epoch from r.at - excluded.at) - 60) * (
            select w.per_second from wanted w where w.bucket = excluded.bucket)) >= 1
        returning bucket
        """,
        *columns,
        tx.now,
    )
    if len(left) != len(wanted):
        slowest = min(b.per_second for b in wanted if b.name not in left)
        raise TooFast(retry_after_s=max(1, math.ceil(1 / slowest)))


async def give_back(tx: Tx, buckets: Sequence[Bucket]) -> None:
    """Returns what `take_all` took for an attempt that was none of those to be limited."""
    names = sorted(bucket.name for bucket in buckets)
    await tx.run(
        """
        update rate_limit set tokens = tokens + 1
        where bucket in (
            select bucket from rate_limit where bucket = any ($1::text[]) order by bucket for update
        )
        """,
        names,
    )


async def sweep(tx: Tx) -> int:
    """Removes buckets that nobody has touched for a day, by then full again."""
    return await tx.run(
        "delete from rate_limit where at < $1::timestamptz - interval '1 day'", tx.now
    )
