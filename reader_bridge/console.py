"""How commands speak: what is wrong becomes one line and an exit code."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
import httpx

from reader_bridge.chain.store import Damaged
from reader_bridge.device.folder import Unusable, closed
from reader_bridge.enrolment import Refused
from reader_bridge.line.endings import Over
from reader_bridge.pcsc.winscard import NoPyscard

FINAL: Final = 78
"""Exit code (EX_CONFIG) after which starting again helps nobody: a service must not."""


class Final78(click.ClickException):
    exit_code = FINAL


@contextmanager
def told() -> Iterator[None]:
    """Exit code 78 where this device is over, 1 for everything else."""
    try:
        yield
    except (Over, Damaged) as error:
        raise Final78(str(error)) from None
    except (Unusable, Refused, NoPyscard) as error:
        raise click.ClickException(str(error)) from None
    except httpx.HTTPError as error:
        raise click.ClickException(
            f"ติดต่อแม่ข่ายไม่ได้ (server out of reach): {type(error).__name__}: {error}"
        ) from None
    except OSError as error:
        raise click.ClickException(str(closed(Path(error.filename or ""), error))) from None


def plain_output() -> None:
    """A console that has no Thai letters shows others; it is no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
