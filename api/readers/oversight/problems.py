"""How oversight refuses."""

from __future__ import annotations

from api.problems import Invalid, TooMany


class PeriodWrong(
    Invalid,
    code="readers/period-wrong",
    th="ช่วงเวลาไม่ถูกต้อง ต้องไม่เกิน {days} วัน และเริ่มก่อนสิ้นสุด",
    en="The period must begin before it ends and be of at most {days} days",
):
    """Without `since` it is the 30 days before `until`, without `until` up to now."""


class ReadingExportsBusy(
    TooMany,
    code="readers/exports-busy",
    th="มีการส่งออกข้อมูลอยู่หลายรายการ กรุณารอ {retry_after_s} วินาที",
    en="Several exports are under way; please wait {retry_after_s} seconds",
):
    """Each holds a connection of its own while it lasts."""
