"""The interactive documentation: Swagger UI from our own address, without script from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from litestar import MediaType, Response
from litestar.params import FromPath
from swagger_ui_bundle import swagger_ui_path

from api.edge import get
from api.openapi import FOLDER
from api.pages import DOCS, DOCS_SCRIPT, SIGNED_IN
from api.permissions import PUBLIC
from api.problems import NoSuchPlace

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "style-src-attr 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
_CACHED = {"Cache-Control": "public, max-age=3600"}
_UI = Path(str(swagger_ui_path))
ASSETS: dict[str, tuple[Path, str]] = {
    "swagger-ui-bundle.js": (_UI, "text/javascript"),
    "swagger-ui.css": (_UI, "text/css"),
    "oauth2-redirect.js": (_UI, "text/javascript"),
    "favicon-32x32.png": (_UI, "image/png"),
    "openapi.json": (FOLDER, "application/json"),
    "problems.json": (FOLDER, "application/json"),
    "rules.schema.json": (FOLDER, "application/json"),
    "rule-vectors.json": (FOLDER, "application/json"),
    "rules.md": (FOLDER, "text/markdown"),
    "sync.md": (FOLDER, "text/markdown"),
    "complaints.md": (FOLDER, "text/markdown"),
}
"""What /docs/{name} serves, and from where. A name that is not here does not exist."""


@get("/docs", verb=PUBLIC, operation="docs.page", include_in_schema=False)
async def page() -> Response[Any]:
    """Swagger UI; it works without internet."""
    return Response(DOCS, media_type=MediaType.HTML, headers=_HEADERS)


@get("/docs/start.js", verb=PUBLIC, operation="docs.script", include_in_schema=False)
async def script() -> Response[Any]:
    """Starts Swagger UI on the document."""
    return Response(DOCS_SCRIPT, media_type="text/javascript", headers=_HEADERS)


@get("/docs/signed-in", verb=PUBLIC, operation="docs.signed_in", include_in_schema=False)
async def signed_in() -> Response[Any]:
    """Where signing in from the documentation comes back to."""
    return Response(SIGNED_IN, media_type=MediaType.HTML, headers=_HEADERS)


@get(
    "/docs/{name:str}",
    verb=PUBLIC,
    operation="docs.file",
    include_in_schema=False,
    sync_to_thread=True,
)
def file(name: FromPath[str]) -> Response[Any]:
    """A file of the documentation: openapi.json, problems.json, rules and sync for developers."""
    if name not in ASSETS:
        raise NoSuchPlace()
    folder, media = ASSETS[name]
    return Response(_read(folder / name), media_type=media, headers=_HEADERS | _CACHED)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NoSuchPlace() from None


ROUTES = [page, script, signed_in, file]
