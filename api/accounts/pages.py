"""The few small pages of signing in: Thai first, no script, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}
_STYLE = """
body{font-family:system-ui,'Noto Sans Thai',sans-serif;max-width:34rem;margin:3rem auto;
padding:0 1rem;line-height:1.6;color:#1b1b1b;background:#fff}
h1{font-size:1.4rem;margin-bottom:0}p.en{color:#595959;margin-top:0}
ul{list-style:none;padding:0}
a{display:block;padding:.8rem 1rem;margin:.5rem 0;border:1px solid #6b4fa0;border-radius:.5rem;
color:#4a2f80;text-decoration:none}a:hover,a:focus{background:#f3effa}
small{display:block;color:#595959}code{color:#595959}
"""


def choice(th: str, en: str, links: Sequence[tuple[str, str, str]]) -> str:
    """A page that asks; each link is (address, Thai, English)."""
    items = "".join(
        f'<li><a href="{escape(to)}">{escape(a)}<small lang="en">{escape(b)}</small></a></li>'
        for to, a, b in links
    )
    return _page(th, en, f"<ul>{items}</ul>")


def trouble(th: str, en: str, code: str) -> str:
    """A page that says what went wrong, with the problem's stable code."""
    return _page(th, en, f"<p><code>{escape(code)}</code></p>")


def _page(th: str, en: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="th"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(th)}</title>'
        f"<style>{_STYLE}</style><h1>{escape(th)}</h1>"
        f'<p class="en" lang="en">{escape(en)}</p>{body}</html>'
    )
