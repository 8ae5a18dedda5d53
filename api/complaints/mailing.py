"""Letters to complainants who left an e-mail address and no account: no more than "look again".

The address is opened by the worker alone, which is an event; no officer sees it, and neither job
nor log holds it. Sent at least once; the Message-ID is the same each time (RFC 5322 §3.6.4).
"""

from __future__ import annotations

import asyncio
import re
import smtplib
import ssl
from collections.abc import Sequence
from datetime import timedelta
from email.message import EmailMessage
from email.utils import formataddr
from urllib.parse import unquote, urlsplit
from uuid import UUID

from api import jobs, settings
from api.complaints import identity
from api.db import Database, Tx
from api.jobs import GiveUp, Job
from api.notify import texts
from api.notify.model import Language
from api.permissions import Worker
from api.problems import NotFound

JOB = "complaint.mail"
LEASE = timedelta(minutes=2)
TIMEOUT_S = 30.0
_ONE_ADDRESS = re.compile(r"[^\s@,;:<>()\"\[\]\\]{1,64}@[A-Za-z0-9.-]{1,190}")
"""One recipient and no header of the sender's making: nobody uses this to write to others."""
_FOOT = "ติดตามเรื่อง / Follow it: {url}\n\nอย่าตอบจดหมายนี้ · Please do not reply to this message.\n"


async def enqueue(tx: Tx, complainants: Sequence[UUID], event: str, template: str) -> None:
    """A letter to each of `complainants`, once an event; nothing without a mail server."""
    if not settings.current().mail_server:
        return
    for complainant in complainants:
        args = {"complainant": str(complainant), "event": event, "template": template}
        await jobs.enqueue(tx, JOB, args, key=f"{event}:{complainant}")


async def send(db: Database, job: Job) -> None:
    """Sends one letter. Raises `GiveUp` where the server will never take it."""
    held = settings.current()
    complainant = UUID(job.args["complainant"])
    async with db.begin(Worker(job.name)) as tx:
        try:
            reached = await identity.address_of(tx, complainant)
        except NotFound:
            raise GiveUp("the complainant's data was erased") from None
    if reached is None or not held.mail_server:
        return
    if not _ONE_ADDRESS.fullmatch(reached.email):
        raise GiveUp("not one address")
    letter = EmailMessage()
    facts, template = {"number": reached.number}, job.args["template"]
    th, en = (texts.render(template, facts, language) for language in (Language.th, Language.en))
    letter["Subject"] = f"{th.title} · {en.title}"
    letter["From"] = formataddr(("กระทรวงอุตสาหกรรม", held.mail_from))
    letter["To"] = reached.email
    letter["Message-ID"] = (
        f"<{job.args['event']}.{complainant}@{held.mail_from.rpartition('@')[2]}>"
    )
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(f"{th.text}\n\n{en.text}\n\n{_FOOT.format(url=f'{held.base_url}/track')}")
    try:
        await asyncio.to_thread(_deliver, held.mail_server, letter)
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as no:
        codes = (
            [no.smtp_code]
            if isinstance(no, smtplib.SMTPResponseException)
            else [code for code, _ in no.recipients.values()]
        )
        if all(code >= 500 for code in codes):
            raise GiveUp(f"refused by the mail server: {codes[0]}") from None
        raise ConnectionError(f"put off by the mail server: {codes[0]}") from None
    except UnicodeError:
        raise GiveUp("no address") from None


def _deliver(server: str, letter: EmailMessage) -> None:
    """`smtp://user:password@host:port` with STARTTLS where offered, or `smtps://…`."""
    at = urlsplit(server)
    host, safe = at.hostname or "localhost", ssl.create_default_context()
    line: smtplib.SMTP
    if at.scheme == "smtps":
        line = smtplib.SMTP_SSL(host, at.port or 465, timeout=TIMEOUT_S, context=safe)
    else:
        line = smtplib.SMTP(host, at.port or 25, timeout=TIMEOUT_S)
    with line:
        line.ehlo_or_helo_if_needed()
        if at.scheme != "smtps" and line.has_extn("starttls"):
            line.starttls(context=safe)
        if at.username:
            line.login(unquote(at.username), unquote(at.password or ""))
        line.send_message(letter)
