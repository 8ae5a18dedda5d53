"""The running code's OpenAPI document: seconds to make, and asked for while tests are collected."""

from __future__ import annotations

import functools
from typing import Any

from api.app import ROUTERS
from api.edge import DEPENDENCIES
from api.openapi import document


@functools.cache
def paths() -> dict[str, Any]:
    """Path → method → operation; one for all, to be read only."""
    found: dict[str, Any] = document(ROUTERS, DEPENDENCIES)["paths"]
    return found
