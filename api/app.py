"""Composition root of the API: the list of routers and what stands under them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.config.compression import CompressionConfig
from litestar.datastructures import State

from api import events, reactions
from api import settings as config
from api.accounts import service as accounts
from api.db import Database
from api.edge import DEPENDENCIES, EXCEPTION_HANDLERS, admit, options
from api.envelope import Envelope
from api.inspection.orders import serving
from api.keys import Keyring
from api.readers.channel.exchange import Told
from api.readers.channel.hub import Hub, slots
from api.readers.intents import abouts
from api.readers.model import Purpose
from api.readers.uses import confirming
from api.routes import (
    accounts as account_routes,
)
from api.routes import (
    bridge_socket,
    complaint_desk,
    complaint_keeping,
    complaint_subjects,
    complaints,
    dev_provider,
    docs,
    documents,
    evidence,
    factories,
    ground,
    inspection,
    intents,
    notify,
    oauth,
    open311,
    order_outcomes,
    orders,
    own_complaints,
    public,
    reader_fleet,
    reader_report,
    readers,
    reading_oversight,
    reading_uses,
    readings,
    samples,
    sync,
    uploads,
)
from api.settings import Settings

ABOUTS: dict[Purpose, abouts.Check] = {
    Purpose.serve_order: serving.may_attempt,
    Purpose.confirm_officer: confirming.may_confirm,
}
"""What a card may be read for, asked before anybody puts it in."""

ROUTERS = [
    *ground.ROUTES,
    *docs.ROUTES,
    *oauth.ROUTES,
    *account_routes.ROUTES,
    *factories.ROUTES,
    *inspection.ROUTES,
    *documents.ROUTES,
    *notify.ROUTES,
    *orders.ROUTES,
    *order_outcomes.ROUTES,
    *samples.ROUTES,
    *sync.ROUTES,
    *uploads.ROUTES,
    *evidence.ROUTES,
    *complaints.ROUTES,
    *complaint_keeping.ROUTES,
    *complaint_desk.ROUTES,
    *own_complaints.ROUTES,
    *complaint_subjects.ROUTES,
    *open311.ROUTES,
    *public.ROUTES,
    *reader_fleet.ROUTES,
    *reader_report.ROUTES,
    *readings.ROUTES,
    *reading_uses.ROUTES,
    *reading_oversight.ROUTES,
    *readers.ROUTES,
    *intents.ROUTES,
    *bridge_socket.ROUTES,
]


def create_app(settings: Settings, database: Database | None = None) -> Litestar:
    """The ASGI application. Without `database` it opens a pool of its own while it runs."""
    routes = [*ROUTERS, *(dev_provider.ROUTES if not settings.production else [])]
    app = Litestar(
        [options(routes), *routes],
        dependencies=DEPENDENCIES,
        exception_handlers=open311.apart(EXCEPTION_HANDLERS),
        before_request=admit,
        lifespan=[_running],
        openapi_config=None,  # `superapp openapi` writes the document, /docs serves it
        compression_config=CompressionConfig(
            backend="gzip", minimum_size=1024, gzip_compress_level=5, exclude_opt_key="uncompressed"
        ),
        request_max_body_size=settings.max_body_bytes,
        logging_config=None,
    )
    inner = Envelope(app.asgi_handler, settings.max_body_bytes)
    app.asgi_handler = bridge_socket.Sockets(inner, app)
    return configured(app, settings, database)


def configured(app: Litestar, settings: Settings, database: Database | None) -> Litestar:
    """`app`, not running, for other settings of the same routes: making those takes long."""
    config.use(settings)
    events.react(reactions.REACTIONS)
    abouts.ask(ABOUTS)
    accounts.check_settings(settings)
    app.state = State()
    app.state.settings = settings
    app.state.db = database
    app.state.keyring = Keyring.open(settings.keyring_path)
    app.state.readers_told = Told()
    return app


@asynccontextmanager
async def _running(app: Litestar) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    given: Database | None = app.state.db
    db = given or await Database.connect(
        settings.database_url, size=settings.pool_size, statement_s=settings.statement_s
    )
    app.state.db = db
    app.state.readers = hub = Hub(db, settings.database_url, at_once=slots(settings.pool_size))
    async with accounts.running(app.state), hub.running():
        yield
    app.state.db = given
    if given is None:
        await db.close()
