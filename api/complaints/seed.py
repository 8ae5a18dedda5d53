"""The categories and routes that come with the system; what an administrator changed stays."""

from __future__ import annotations

from api import ids
from api.complaints import categories
from api.db import Tx

ROUTES: tuple[tuple[int, str | None, bool | None, list[int] | None, str], ...] = (
    # priority, province, in an estate, classes, kind of office
    (10, None, True, None, "ieat"),
    (20, None, None, [1, 2], "local"),
    (30, "10", None, None, "diw"),
    (90, None, None, None, "pio"),
    (99, None, None, None, "diw"),
)


async def reference(tx: Tx) -> int:
    """Returns how many categories and routes were new."""
    new = 0
    for place, (code, content) in enumerate(categories.shipped()):
        new += await tx.run(
            """
            with made as (
                insert into complaint_category (code, place, content) values ($1, $2, $3::jsonb)
                on conflict (code) do nothing returning code
            )
            insert into complaint_category_version (category, version, at, content)
            select code, 1, $4, $3::jsonb from made
            """,
            code,
            place,
            content,
            tx.now,
        )
    if await tx.value("select exists (select from complaint_route)"):
        return new
    for priority, province, in_estate, classes, kind in ROUTES:
        new += await tx.run(
            """
            insert into complaint_route (id, priority, province, in_estate, classes, to_kind)
            values ($1, $2, $3, $4, $5, $6)
            """,
            ids.new(),
            priority,
            province,
            in_estate,
            classes,
            kind,
        )
    return new
