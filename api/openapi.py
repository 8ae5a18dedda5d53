"""The OpenAPI document: what the framework makes of the routes, finished in one place."""

from __future__ import annotations

from litestar.openapi import OpenAPIConfig

from api.settings import Settings


def config(settings: Settings) -> OpenAPIConfig:
    return OpenAPIConfig(title="Super App", version="1", path="/docs")
