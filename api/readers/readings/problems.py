"""Why an offline ticket is not given, or not taken."""

from __future__ import annotations

from api.problems import Conflict


class TicketsTooMany(
    Conflict,
    code="readers/tickets-too-many",
    th="เครื่องนี้มีตั๋วออฟไลน์ที่ยังไม่ใช้มากเกินไป (ไม่เกิน {limit})",
    en="This device holds too many unused offline tickets (at most {limit})",
):
    """Tickets end by themselves after twelve hours."""


class TicketUsed(
    Conflict,
    code="readers/ticket-used",
    th="ตั๋วออฟไลน์นี้ถูกใช้แล้ว หมดอายุ หรือถูกยกเลิก",
    en="This offline ticket was used, has expired or is void",
):
    """A ticket is good for one card, at most twelve hours, at the device it was given to."""


class TicketElsewhere(
    Conflict,
    code="readers/ticket-elsewhere",
    th="ตั๋วออฟไลน์นี้เป็นของเครื่องอ่านบัตรอีกตัวหนึ่ง",
    en="This offline ticket is for another reader",
):
    """The card was put into a reader of another desk; a PC program from before it was told which
    reader a ticket is for may do that."""
