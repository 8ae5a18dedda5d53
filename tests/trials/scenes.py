"""Visits and phones for a trial."""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from api import ids
from api.clock import bangkok_date
from tests.trials.house import House
from tests.trials.phones import Phone
from tests.world import encode, gate, now, record

INSPECTORS = ("inspector", "inspector-2")


async def premises(house: House) -> str:
    """A class 3 factory with one operating licence."""
    async with house.owner() as connection:
        found = await connection.fetchval(
            """
            select premises_id from licence l join premises p on p.id = l.premises_id
            where l.licence_class = 3 and p.province = '11' and l.status = 'operating'
                and (select count(*) from licence o where o.premises_id = p.id) = 1
            order by l.key limit 1
            """
        )
    return str(found)


async def visits(house: House, url: str, count: int) -> list[str]:
    """Visits under way, with both inspectors on the team."""
    accounts = {key: await house.sign_in(key) for key in ("head", *INSPECTORS)}
    site = await premises(house)
    made = []
    async with httpx.AsyncClient(base_url=url, timeout=20) as http:
        for _ in range(count):
            visit = ids.new()
            plan = {
                "premises": site,
                "planned_on": bangkok_date(now()).isoformat(),
                "lead": accounts["inspector"][0],
                "team": [accounts["inspector-2"][0]],
            }
            done = await http.put(
                f"/v1/visits/{visit}", content=encode(plan), headers=bearer(accounts["head"][1])
            )
            assert done.status_code == 200, f"{done.text} {house.servers[0].faults()[-1:]}"
            begun = await http.post(
                "/v1/sync",
                content=encode({"operations": [record(visit, start=gate())]}),
                headers=bearer(accounts["inspector"][1]),
            )
            assert begun.status_code == 200, begun.text
            assert begun.json()["results"][0]["status"] in ("stored", "flagged"), begun.text
            made.append(str(visit))
    return made


async def phones(
    house: House, urls: Sequence[str], count: int, visits: Sequence[str], seed: str
) -> list[Phone]:
    """Phones of the two inspectors in turn, all on the same visits."""
    made = []
    for place in range(count):
        _, token = await house.sign_in(INSPECTORS[place % len(INSPECTORS)])
        made.append(Phone(urls, token, visits, f"{seed}-{place}"))
    return made


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
