"""What an order does to the one before it and to the licence, and how that is undone (ADR 0016)."""

from __future__ import annotations

from uuid import UUID

from api.db import Tx
from api.documents.model import Force
from api.factories import service as factories
from api.inspection.orders import move_queries, reading
from api.inspection.orders import subject_queries as subject
from api.inspection.orders.model import MOVES, OrderKind, Row
from api.inspection.orders.problems import OrderSealed


async def correct(tx: Tx, earlier: UUID, by: UUID) -> None:
    """A corrected order takes the place of an earlier one, and holds what a closure took.

    Raises `OrderSealed`.
    """
    await tx.lock([earlier])
    row = await reading.row(tx, earlier, "order.read")
    to = MOVES.get(("supersede", row.state))
    if to is None:
        raise OrderSealed(state=row.state)
    row.state = to
    await move_queries.supersede(tx, earlier, to, by, f"superseded by {by}")
    await reading.stop_clocks(tx, earlier, appeal=True)
    await reading.set_force(tx, row, Force.corrected, "order.superseded")
    await reading.tell(tx, row, "order.superseded", {"by": by})
    if row.kind == OrderKind.close:
        await _hand_over(tx, row, await subject.stops_taken(tx, earlier), by)


async def after_service(tx: Tx, row: Row) -> None:
    """A resumption or closure that was served ends the stop before it; a closure of a class 3
    revokes the licence (s.39).

    A closure takes nothing where its stop has ended otherwise or is stayed by now, and nobody loses
    a licence by an order addressed to somebody else: the head is told. Locked are, by undoing too,
    the order, its stop and then the licence.
    """
    if row.follows is None or row.kind not in (OrderKind.resume, OrderKind.close):
        return
    await tx.lock([row.follows])
    stop = await reading.row(tx, row.follows, "order.read")
    if row.kind == OrderKind.resume:
        await _resumed(tx, stop, row)
        return
    to = MOVES.get(("supersede", stop.state))
    if to is not None and stop.stay is None:
        stop.state, stop.superseded_by = to, row.id
        await move_queries.supersede(tx, stop.id, to, row.id, f"{row.kind} {row.number}")
        await reading.stop_clocks(tx, stop.id)
        await reading.set_force(tx, stop, Force.superseded, "order.superseded")
        await reading.tell(tx, stop, "order.superseded", {"by": row.id})
    if stop.superseded_by != row.id or (
        row.licence is not None
        and not await factories.close_by_order(tx, row.licence, row.id, row.company)
    ):
        await reading.tell(tx, row, "order.closure_withheld", {"licence": row.licence})


async def _resumed(tx: Tx, stop: Row, by: Row) -> None:
    to = MOVES.get(("comply", stop.state))
    if to is None:
        return
    stop.state = to
    await move_queries.move(tx, stop.id, to, why=f"{by.kind} {by.number}")
    await reading.stop_clocks(tx, stop.id)
    await reading.set_force(tx, stop, Force.fulfilled, "order.complied")
    await reading.tell(tx, stop, "order.complied")


async def undo(tx: Tx, row: Row) -> None:
    """A closure was annulled or revoked: what it took is given back, as if it had not been.

    The licence returns to the state in which the closure found it, unless somebody changed it
    since; the stop in whose place the closure stood is in force again. While another closure is
    served nothing is given back: that one holds it from now on, and the head is told.
    """
    if row.kind != OrderKind.close:
        return
    stops = await subject.stops_taken(tx, row.id)
    await tx.lock([*stops, *([row.follows] if row.follows else [])])
    if row.licence is not None:
        await factories.hold(tx, row.licence)
    if (other := await subject.other_closure(tx, row.id)) is not None:
        await _hand_over(tx, row, stops, other)
        await reading.tell(tx, row, "order.reinstatement_withheld", {"by": other})
        return
    if row.licence is not None:
        given_back = await factories.reinstate_by_order(tx, row.licence, row.id)
        if given_back is not None:
            event = "licence_reinstated" if given_back else "reinstatement_withheld"
            await reading.tell(tx, row, f"order.{event}", {"licence": row.licence})
    for stop in stops:
        await revive(tx, stop, row.id)


async def _hand_over(tx: Tx, row: Row, stops: list[UUID], to: UUID) -> None:
    """What the closure took is `to`'s from now on: should that be undone, it is given back."""
    for id in stops:
        await move_queries.set_superseded_by(tx, id, to)
        await reading.tell(
            tx, await reading.row(tx, id, "order.read"), "order.successor_changed", {"by": to}
        )
    if row.licence is not None:
        await factories.hand_over(tx, row.licence, row.id, to)


async def revive(tx: Tx, id: UUID, by: UUID) -> bool:
    """The stop in whose place `by` stood is in force again; it keeps the judgement that it was
    disobeyed, and a stay. False where it ended otherwise: that stays."""
    await tx.lock([id])
    stop = await reading.row(tx, id, "order.read")
    to = MOVES.get(("revive", stop.state))
    if to is None or stop.superseded_by != by:
        return False
    stop.state = to
    await move_queries.revive(tx, id, to)
    await reading.set_force(tx, stop, Force.in_force, "order.revived")
    if stop.stay is not None:
        await reading.set_force(tx, stop, Force.stayed, "order.revived")
    await reading.tell(tx, stop, "order.revived", {"by": by})
    return True
