"""Reference data and the small sample of `make up`; both may be loaded as often as wanted."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from api import events, keys, places, reactions
from api import settings as config
from api.accounts import seed as accounts
from api.accounts.samples import SAMPLES
from api.clock import bangkok_date
from api.complaints import seed as complaints
from api.db import Database, Tx
from api.factories import seed as factories
from api.ids import of_text
from api.inspection.checklists import service as checklists
from api.inspection.visits import service
from api.inspection.visits.model import PlanVisit
from api.permissions import Worker
from api.readers.fleet import seed as fleet
from api.settings import Settings

SAMPLE_ACCOUNTS = [(s.key, s.what_th, s.what_en) for s in SAMPLES]


async def seed(url: str, settings: Settings) -> None:
    """Loads reference data as the owner of the tables, and outside production the sample."""
    config.use(settings)
    keys.use(keys.Keyring.open(settings.keyring_path))
    events.react(reactions.REACTIONS)
    db = await Database.connect(url, size=2, role="")
    try:
        async with db.begin(Worker("seed")) as tx:
            await reference(tx)
        if not settings.production:
            async with db.begin(Worker("seed")) as tx:
                await sample(tx)
    finally:
        await db.close()


async def reference(tx: Tx) -> None:
    """Places, offices, categories of factories and complaints, the checklist, the agencies."""
    await places.load(tx)
    await accounts.reference(tx)
    await factories.load_categories(tx)
    await checklists.load_standard(tx)
    await complaints.reference(tx)
    await fleet.reference(tx)


async def sample(tx: Tx) -> None:
    """Sample people, factories and a few planned visits; everything in it says ตัวอย่าง."""
    await accounts.samples(tx)
    await factories.samples(tx)
    await fleet.samples(tx)
    await plans(tx)


async def plans(tx: Tx) -> None:
    """Visits of the sample inspectors for the coming days, planned once."""
    lead = await accounts.account(tx, "inspector")
    colleague = await accounts.account(tx, "inspector-2")
    sites: list[UUID] = await tx.values(
        """
        select premises_id from licence
        where status = 'operating' and licence_class = 3 and name like '%ตัวอย่าง%'
            and premises_id in (select id from premises where province = '11')
        order by key limit 3
        """
    )
    today = bangkok_date(tx.now)
    for place, premises in enumerate(sites):
        id = of_text(f"sample visit {place}")
        if await tx.value("select true from visit where id = $1", id):
            continue
        plan = PlanVisit(
            premises=premises,
            reason="routine",
            announced=place == 1,
            planned_on=today + timedelta(days=place),
            lead=lead,
            team=[lead, colleague],
            note="การตรวจตัวอย่าง",
        )
        await service.plan_visit(tx, id, plan)
