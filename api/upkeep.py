"""Commands of whoever looks after an installation: the keyring, and the work behind the scenes."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import click

from api import integrity, jobs, keys, sealed, terminal
from api.db import Database, Tx
from api.embedded import default_home
from api.evidence import claims
from api.keys import Keyring, Purpose
from api.permissions import Worker
from reader_bridge.envelopes import fingerprint


@click.group("keys")
def keyring() -> None:
    """The keyring: what seals personal data and signs tokens, receipts and documents."""


@click.group("jobs", invoke_without_command=True)
@click.option("--failed", is_flag=True, help="Those given up, instead of those still to be done.")
@click.pass_context
def work_list(context: click.Context, failed: bool) -> None:
    """What waits to be done behind the scenes, and what was given up."""
    if context.invoked_subcommand is not None:
        return
    for line in terminal.in_one_transaction(lambda tx: jobs.lines(tx, failed=failed)):
        when = line.failed_at or line.due_at
        click.echo(
            f"{line.id}  {line.name:24} tried {line.attempts:2}  "
            f"{'failed' if failed else 'due'} {when:%Y-%m-%d %H:%M:%S}  {line.error or ''}"
        )


@work_list.command()
@click.argument("ids", nargs=-1, type=click.UUID)
def requeue(ids: tuple[UUID, ...]) -> None:
    """Try failed jobs again: those of IDS, or all."""
    tried = terminal.in_one_transaction(lambda tx: jobs.requeue(tx, list(ids) or None))
    click.echo(f"{tried} jobs to be tried again")


@click.command("verify-records")
def verify_records() -> None:
    """Hold the data base against what was signed: documents, orders, receipts, filed events.

    Says which records were changed by other means than the server's, and exits 1 if one was.
    """

    async def ask(tx: Tx) -> int:
        found = 0
        async for wrong in integrity.tampered(tx):
            found += 1
            click.echo(f"{wrong.kind} {wrong.record}: ถูกแก้ไข / tampered with: {wrong.what}")
        return found

    with terminal.explained():
        keys.use(_keyring())
    if found := terminal.in_one_transaction(ask):
        raise click.ClickException(f"{found} records are not what was signed")
    click.echo("ทุกระเบียนตรงกับที่ลงนามไว้ / Every record is what was signed.")


@keyring.command("list")
def list_keys() -> None:
    """Show the keys by id, purpose and state; never a secret. Of an identity also the fingerprint
    that desk PCs show of their server (`reader-bridge status`)."""
    with terminal.explained():
        for key in _keyring().list():
            line = f"{key.kid:<28} {key.purpose:<8} {key.state:<12} {key.created:%Y-%m-%d}"
            if key.purpose is Purpose.identity:
                line += f"  {fingerprint(key.public().public_bytes_raw())}"
            click.echo(line)


@keyring.command()
@click.argument("purpose", type=click.Choice([purpose.value for purpose in Purpose]))
def rotate(purpose: str) -> None:
    """Make a new active key; the one before still opens and verifies. Servers notice by themselves.

    After `wrap`, run `superapp keys rewrap`; after `index`, new entries use the new key; after
    `identity`, back the keyring up at once: desk PCs follow, and do not go back.
    """
    with terminal.explained():
        click.echo(_keyring().rotate(Purpose(purpose)).kid)


@keyring.command()
@click.argument("kid")
@click.confirmation_option(prompt="What only this key opens is lost for good. Retire it?")
def retire(kid: str) -> None:
    """Forget the secret of a key that is no longer active."""
    with terminal.explained():
        _keyring().retire(kid)


@keyring.command()
def rewrap() -> None:
    """Wrap every person's data key under the active wrap key; then the old one may be retired."""

    async def work(db: Database) -> int:
        total = 0
        while True:
            async with db.begin(Worker("rewrap")) as tx:
                done = await sealed.rewrap(tx)
            total += done
            if not done:
                return total

    with terminal.explained():
        keys.use(_keyring())
    click.echo(f"{terminal.as_owner(work)} data keys wrapped again")


@keyring.command("seal-evidence")
def seal_evidence() -> None:
    """Seal file names and positions of evidence that releases before 0017 stored openly."""

    async def work(db: Database) -> int:
        total = 0
        for of in claims.STORED:
            done = [UUID(int=0)]
            while done:
                async with db.begin(Worker("seal-evidence")) as tx:
                    done = await claims.seal_old(tx, of, done[-1])
                total += len(done)
        return total

    with terminal.explained():
        keys.use(_keyring())
    click.echo(f"{terminal.as_owner(work)} claims and positions sealed")


def _keyring() -> Keyring:
    settings = terminal.configured()
    home = Path(settings.data_dir or default_home())
    return Keyring.open(Path(settings.keyring) if settings.keyring else home / "keyring.json")
