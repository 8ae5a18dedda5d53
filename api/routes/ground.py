"""What runs here, is it well, and the ministry's working days."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.params import FromPath, JSONBody
from prometheus_client import Gauge, generate_latest

from api import events, jobs, places, storage, workdays
from api.clock import bangkok_date
from api.db import Database
from api.edge import InTx, get, put
from api.ids import of_text
from api.pages import home
from api.permissions import PUBLIC
from api.problems import CATALOGUE, NoSuchPlace, Overloaded
from api.sync import queries as sync
from api.workdays import SpecialDay

LAG = Gauge("superapp_feed_lag_seconds", "How long a running writer has held the phones' feed back")
LAG_WARNING_S = 60.0
JOBS = Gauge("superapp_jobs_open", "Jobs still to be done")
JOBS_OLDEST = Gauge("superapp_jobs_oldest_seconds", "How long the oldest due job has waited")
JOBS_FAILED = Gauge("superapp_jobs_failed", "Jobs that were given up")
JOBS_WARNING_S = 300.0


class Health(msgspec.Struct):
    """`ok`; readiness adds what was looked at. `warnings` do not make a server unready."""

    status: str
    warnings: list[str] = []
    feed_lag_s: float = 0.0
    jobs_open: int = 0
    jobs_oldest_s: float = 0.0
    jobs_failed: int = 0


class ProblemLine(msgspec.Struct):
    """One entry of the catalogue of problems."""

    code: str
    status: int
    th: str
    en: str
    about: str


@get("/", verb=PUBLIC, operation="home", media_type=MediaType.HTML, include_in_schema=False)
async def read_home(request: Request[Any, Any, Any]) -> str:
    """A small page that says what runs here and where to go."""
    return home(request.app.state.settings)


@get("/health", verb=PUBLIC, operation="health.live", tags=["health"])
async def live() -> Health:
    """โปรแกรมของระบบทำงานอยู่หรือไม่ โดยไม่ตรวจฐานข้อมูล
    The process runs; says nothing about the data base."""
    return Health("ok")


@get("/health/ready", verb=PUBLIC, operation="health.ready", tags=["health"])
async def ready(request: Request[Any, Any, Any]) -> Health:
    """ระบบพร้อมให้บริการหรือไม่ หากฐานข้อมูลไม่ตอบหรือยังไม่เป็นรุ่นล่าสุด ตอบ 503
    The data base answers and is migrated; 503 otherwise.

    A lagging feed, jobs that nobody does or that were given up, an ailing storage are warnings.
    """
    db: Database = request.app.state.db
    async with db.read() as tx:
        try:
            lag = await sync.lag_s(tx)
            await tx.value("select 1 from visit limit 1")
            work = await jobs.backlog(tx)
        except Exception:
            raise Overloaded() from None
    warnings = [] if lag < LAG_WARNING_S else [f"feed held back for {lag:.0f} s by a long writer"]
    if work.oldest_s >= JOBS_WARNING_S:
        warnings.append(f"a job has waited for {work.oldest_s:.0f} s: does a worker run?")
    if work.failed:
        warnings.append(f"{work.failed} jobs were given up: superapp jobs --failed")
    if ails := await storage.current().ails():
        warnings.append(f"files cannot be stored: {ails}")
    return Health("ok", warnings, round(lag, 1), work.open, round(work.oldest_s, 1), work.failed)


@get("/metrics", verb=PUBLIC, operation="metrics", tags=["health"], include_in_schema=False)
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Prometheus text, to the machine itself only: a proxy does not pass it on."""
    if request.client is not None and request.client.host not in ("127.0.0.1", "::1"):
        raise NoSuchPlace()
    db: Database = request.app.state.db
    async with db.read() as tx:
        LAG.set(await sync.lag_s(tx))
        work = await jobs.backlog(tx)
    JOBS.set(work.open)
    JOBS_OLDEST.set(work.oldest_s)
    JOBS_FAILED.set(work.failed)
    return Response(generate_latest(), media_type="text/plain; version=0.0.4")


@get("/problems/{code:path}", verb=PUBLIC, operation="problem.read", problems=[NoSuchPlace])
async def read_problem(code: FromPath[str]) -> ProblemLine:
    """คำอธิบายข้อผิดพลาดตามรหัส ซึ่งช่อง type ของคำตอบชี้มาถึง
    What a problem's `type` leads to."""
    found = CATALOGUE.get(code.strip("/"))
    if found is None:
        raise NoSuchPlace()
    about = " ".join((found.__doc__ or "").split())
    return ProblemLine(found.code, found.status, found.th, found.en, about)


@get("/v1/provinces", verb=PUBLIC, operation="province.list", tags=["places"])
async def list_provinces(tx: InTx) -> list[places.Province]:
    """รายชื่อ 77 จังหวัด ตามรหัสของกรมการปกครอง
    The 77 provinces by DOPA code."""
    return await places.provinces(tx)


@get("/v1/special-days", verb=PUBLIC, operation="special_day.list", tags=["special_day"])
async def list_special_days(tx: InTx) -> list[SpecialDay]:
    """วันหยุดและวันทำการพิเศษตามมติคณะรัฐมนตรี ตั้งแต่ต้นปีนี้
    Days that cabinet made holidays or working days, from this year on."""
    today = bangkok_date(tx.now)
    return await workdays.special_day_list(tx, date(today.year, 1, 1))


@put("/v1/special-days/{day:date}", verb="special_day.edit", status_code=200)
async def put_special_day(
    tx: InTx, day: FromPath[date], data: JSONBody[workdays.DayEdit]
) -> SpecialDay:
    """บันทึกวันหยุดหรือวันทำการพิเศษตามมติคณะรัฐมนตรี ใช้นับกำหนดเวลาต่อจากนี้
    Declares a day. Clocks that start afterwards count with it; of those that run only the times of
    orders move, and only to later (`api.inspection.orders.counting`)."""
    special = await workdays.declare(tx, day, data)
    await events.record(
        tx, "special_day.edited", "special_day", of_text(f"special_day:{day}"), facts={"day": day}
    )
    return special


ROUTES = [
    read_home,
    live,
    ready,
    metrics,
    read_problem,
    list_provinces,
    list_special_days,
    put_special_day,
]
