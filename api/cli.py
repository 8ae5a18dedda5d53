"""The command `superapp`: composition root of everything started from a terminal.

Commands import what they need when they run, so that `superapp --help` and `superapp number` stay
quick.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from pathlib import Path

import click

from api import children, offline, terminal, upkeep
from api.embedded import EmbeddedPostgres, default_home
from api.migrate import migrate as apply_migrations
from api.settings import Settings
from api.supervisor import Team

OPENAPI = Path(__file__).resolve().parent.parent / "openapi"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The Super App of the Ministry of Industry."""


@main.command()
@click.option("--port", type=int, help="Where to listen; 0 takes any free port. [PORT, 8000]")
def up(port: int | None) -> None:
    """Start everything: PostgreSQL, migrations, sample data, the API and the worker."""
    if "MAKELEVEL" in os.environ:
        children.follow_parent()
    settings = terminal.configured(port)
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: stopping.append(number))
    listening = _listen(settings)
    address = listening.getsockname()
    environment = os.environ | {
        "SUPERAPP_PORT": str(address[1]),
        "SUPERAPP_DATA_DIR": settings.data_dir or str(default_home()),
    }
    with contextlib.ExitStack() as stack, terminal.explained():
        postgres: EmbeddedPostgres | None = None
        if not settings.database_url:
            home = Path(environment["SUPERAPP_DATA_DIR"])
            click.echo(f"PostgreSQL: {home}", err=True)
            postgres = stack.enter_context(EmbeddedPostgres(home))
            environment["SUPERAPP_DATABASE_URL"] = postgres.url()
        else:
            Path(environment["SUPERAPP_DATA_DIR"]).mkdir(parents=True, exist_ok=True)
        settings = Settings.load(environment)
        _prepare(settings)
        if not stopping:
            team = Team(environment, listening, postgres)
            stack.callback(team.stop)
            team.start()
            if team.wait_until_ready(stopping):
                click.echo(_welcome(settings))
            team.watch(stopping)


@main.command()
@click.option("--port", type=int, help="Where to listen. [PORT, 8000]")
@click.option("--fd", type=int, hidden=True, help="A listening socket inherited from `up`.")
def serve(port: int | None, fd: int | None) -> None:
    """Serve the API alone, on a data base that is already migrated."""
    gc.disable()  # until all is loaded: nothing of it is garbage
    from api import logs, serving
    from api.app import create_app

    settings = terminal.configured(port)
    logs.set_up()
    with terminal.explained():
        terminal.needs_database(settings)
        app = create_app(settings)
    serving.settle()
    server = serving.server(app, settings)
    if fd is None:
        server.run()
    else:
        server.run(sockets=[socket.socket(fileno=fd)])


@main.command()
def worker() -> None:
    """Run the worker alone: clocks that come due, reactions, sweeps."""
    from api import worker as program

    settings = terminal.configured()
    with terminal.explained():
        terminal.needs_database(settings)
        program.main(settings)


@main.command()
def migrate() -> None:
    """Apply the migrations that are not applied yet."""
    with terminal.explained(), terminal.database() as settings:
        for name in asyncio.run(apply_migrations(terminal.owner_url(settings))):
            click.echo(name)


@main.command()
def seed() -> None:
    """Load the reference data and, outside production, the small sample."""
    with terminal.explained(), terminal.database() as settings:
        _prepare(settings)


@main.command()
@click.argument("values", nargs=-1, required=True, metavar="VALUE…")
def number(values: tuple[str, ...]) -> None:
    """Say what kind of number each VALUE is, and its normal form or what is wrong with it.

    Factory numbers new and old, juristic persons and national IDs. Exits 1 if any is wrong.
    """
    from api.factories import numbers

    wrong = False
    for value in values:
        found = numbers.parse(value)
        if isinstance(found, numbers.Wrong):
            wrong = True
            click.echo(f"wrong         {value}\n              {found.th}\n              {found.en}")
        else:
            click.echo(f"{numbers.kind(found):<13} {found.normal}")
    if wrong:
        sys.exit(1)


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--report",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Where to list what was refused. [FILE.report.csv]",
)
def import_factories(file: Path, report: Path | None) -> None:
    """Bring the register up to the open feed in FILE, a CSV as it is published.

    May be stopped and run again: it goes on where it was, and what is the same is not written.
    """
    from api.factories import importing

    with terminal.explained(), terminal.database() as settings:
        if not terminal.configured().database_url:
            _prepare(settings)
        importing.run(terminal.owner_url(settings), file, report or file.with_suffix(".report.csv"))


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(["requests", "readers", "confirmations"]),
    default="readers",
    show_default=True,
    help="Lines of letters, lists of readers, or what units confirm.",
)
@click.option("--agency", help="Whose list it is; else a column of the file says so.")
@click.option("--preview", is_flag=True, help="Look at every line and write nothing.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Where to list what was refused. [FILE.report.csv]",
)
def import_readers(
    file: Path, kind: str, agency: str | None, preview: bool, report: Path | None
) -> None:
    """Bring the fleet of card readers up to the list in FILE, a CSV as Excel writes it.

    May be stopped and run again: what is the same is not written. Exits 1 if a line was refused.
    """
    from api.readers.fleet import command

    report = report or file.with_suffix(".report.csv")
    outcome = terminal.as_owner(
        lambda db: command.run(db, file, kind, agency, report, preview)  # type: ignore[arg-type]
    )
    if outcome.rejected:
        sys.exit(1)


@main.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 where a file is out of date.")
def openapi(check: bool) -> None:
    """Write openapi/*.json from the routes, or compare."""
    from api import handbook
    from api.openapi import Lacking

    stale = []
    try:
        contract = handbook.contract()
    except Lacking as fault:
        raise click.ClickException(str(fault)) from None
    for name, text in contract.items():
        path = OPENAPI / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    if stale and check:
        raise click.ClickException(f"Out of date: {', '.join(stale)}. Run: make openapi")
    click.echo(f"{'Written' if stale else 'Up to date'}: {', '.join(stale) or OPENAPI.name}")


@main.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 where a page is out of date.")
def docs(check: bool) -> None:
    """Write the pages of docs/ that come from the code, or compare."""
    from api import handbook

    stale = [name for name, text in handbook.pages().items() if handbook.page(name) != text]
    if stale and check:
        raise click.ClickException(f"Out of date: {', '.join(stale)}. Run: make docs")
    for path in [] if check else handbook.write():
        click.echo(path)


main.add_command(upkeep.keyring)
upkeep.keyring.add_command(offline.public_keys)
main.add_command(offline.verify)
main.add_command(upkeep.verify_records)
main.add_command(upkeep.work_list)


def _welcome(settings: Settings) -> str:
    """What a person needs first, in Thai and then in English."""
    url = settings.base_url
    from api import seed as program

    lines = [
        "",
        f"พร้อมใช้งานที่ {url} (หยุดด้วย Ctrl-C)",
        f"  เอกสาร API  {url}/docs",
        f"  สถานะระบบ   {url}/health/ready",
        "",
        f"Ready at {url} (Ctrl-C stops it)",
        f"  API documentation  {url}/docs",
        f"  readiness          {url}/health/ready",
        f"  data               {settings.data_dir}",
    ]
    if not settings.production:
        lines += ["", "บัญชีตัวอย่าง / Sample accounts (development sign-in):"]
        lines += [f"  {name:<20} {th} / {en}" for name, th, en in program.SAMPLE_ACCOUNTS]
    lines += ["", "ลองต่อไป / Next:  make demo   ·   make test   ·   superapp --help"]
    return "\n".join(lines)


def _prepare(settings: Settings) -> None:
    """Migrates and seeds; both may run as often as wanted."""
    from api import seed as program

    for name in asyncio.run(apply_migrations(terminal.owner_url(settings))):
        click.echo(f"migrated {name}", err=True)
    asyncio.run(program.seed(terminal.owner_url(settings), settings))


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family)
    if sys.platform != "win32":
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        raise click.ClickException(
            f"{settings.host}:{settings.port} cannot be listened on ({error.strerror}). "
            "Choose another port: PORT=8001 make up"
        ) from error
    listening.listen(2048)
    return listening


if __name__ == "__main__":
    main()
