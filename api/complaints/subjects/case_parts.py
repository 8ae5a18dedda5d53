"""What a case file says of the complaints behind its visits; the sealed parts are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from api.complaints.model import OUTCOME_WORDS, STATE_TH, shown_number
from api.complaints.subjects import visit_queries
from api.db import Tx
from api.documents import contents as c
from api.inspection.cases.service import Beside

UNSAID: Final = frozenset({"complaint.viewed"})


async def of_visits(tx: Tx, visits: Sequence[UUID], language: c.Language) -> Beside:
    """The complaints that `visits` were because of, and those merged into them."""
    english = language == "en"
    found = await visit_queries.of_visits(tx, visits)
    told = [
        c.CaseComplaint(
            number=shown_number(one.number, one.received_at),
            received_at=c.moment(one.received_at),
            category=one.category_en if english else one.category_th,
            what=one.description,
            state=one.state.replace("_", " ") if english else STATE_TH[one.state],
            outcome=OUTCOME_WORDS[one.outcome][english] if one.outcome else "",
            decision=one.decision,
        )
        for one in found
    ]
    return Beside(told, [one.id for one in found], UNSAID)
