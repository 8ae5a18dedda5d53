"""When this happened, do that: the whole map on one screen.

`JOBS` says how a job is done, `REACTIONS` which jobs an event brings about, `DEADLINES` which verb
answers a clock that has run out. Clocks run in the worker, in the transaction that marks the clock
as fired.
"""

from __future__ import annotations

from api.deadlines import Reaction
from api.inspection.visits import service as visits
from api.jobs import Handler

JOBS: dict[str, Handler] = {}

REACTIONS: dict[str, tuple[str, ...]] = {}

DEADLINES: dict[str, Reaction] = {
    "visit.review": visits.escalate_review,
}
