"""The small page at `/`: what runs here and where to go. No script, nothing from elsewhere."""

from __future__ import annotations

from html import escape

from api.settings import Settings

_HOME = """<!doctype html>
<html lang="th"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Super App – กระทรวงอุตสาหกรรม</title>
<style>
body{{font:1.05rem/1.6 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;
color:#1c2733}}
h1{{font-size:1.5rem;margin-bottom:.2rem}}small{{color:#5a6875}}li{{margin:.35rem 0}}
a{{color:#0b5cad}}code{{background:#eef2f6;padding:.1rem .3rem;border-radius:.2rem}}
</style>
<h1>ระบบ Super App กระทรวงอุตสาหกรรม</h1>
<small>Super App API of the Ministry of Industry · {env}</small>
<p>ระบบหลังบ้านสำหรับการตรวจโรงงาน ทะเบียนโรงงาน และการรายงานของโรงงาน<br>
<small>The system behind factory inspections, the factory register and what factories see.</small>
<ul>
<li><a href="/docs">เอกสาร API แบบทดลองใช้ได้</a> <small>Interactive API documentation</small>
<li><a href="/docs/openapi.json">OpenAPI 3.1</a>
<li><a href="/health/ready">สถานะระบบ</a> <small>Readiness</small>
<li><a href="/.well-known/oauth-authorization-server">การเข้าสู่ระบบของแอป</a>
<small>Sign-in for apps (RFC 8414)</small>
<li><a href="/.well-known/jwks.json">กุญแจสาธารณะ</a>
<small>Public keys: tokens, receipts, documents</small>
<li><a href="/verify">ตรวจสอบเอกสาร</a> <small>Verify a document</small>
{dev}</ul>
"""
_DEV = """<li>บัญชีตัวอย่าง: กด Authorize ใน<a href="/docs">เอกสาร API</a>
<small>Sample accounts: “Authorize” in the documentation (never in production)</small>
"""


def home(settings: Settings) -> str:
    """The page, Thai first."""
    return _HOME.format(env=escape(settings.env), dev="" if settings.production else _DEV)


ENROL = """<!doctype html>
<html lang="th"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>ลงทะเบียนเครื่องอ่านบัตร</title>
<style>
body{font:1.05rem/1.6 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem;
color:#1c2733}
small{color:#5a6875}li{margin:.6rem 0}
</style>
<h1>ลงทะเบียนเครื่องอ่านบัตร</h1>
<small>Enrol a card reader's PC</small>
<ol>
<li>ผู้มีสิทธิอนุมัติเข้าสู่ระบบในแอปของเจ้าหน้าที่ แล้วพิมพ์รหัส 8 ตัวที่หน้าจอเครื่องนั้นแสดง<br>
<small>Whoever may approve signs in to the officers' app and types the code on that PC's
screen.</small>
<li>ตรวจว่าเป็นเครื่องที่อยู่ตรงหน้าจริง แล้วพิมพ์ 12 ตัวแรกของลายนิ้วมือตามหน้าจอเครื่องนั้น
ถ้าพิมพ์ถูกแล้วระบบว่าไม่ตรง แปลว่ามีผู้ดักกลางทาง อย่าอนุมัติ กรุณาแจ้งผู้ดูแลระบบ<br>
<small>They see that it is the PC in front of them, and type the first 12 characters of the
fingerprint on its screen. Typed right and refused, somebody stands between that PC and the server:
tell whoever runs it.</small>
<li>อย่าอนุมัติรหัสที่ผู้อื่นส่งมาให้<br>
<small>Never approve a code that somebody sent you.</small>
</ol>
"""
DOCS = """<!doctype html>
<html lang="th"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Super App API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<body><div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
"""
DOCS_SCRIPT = """const ui = SwaggerUIBundle({
  url: "/docs/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  oauth2RedirectUrl: location.origin + "/docs/signed-in",
});
ui.initOAuth({ clientId: "superapp-docs", usePkceWithAuthorizationCodeGrant: true });
"""
SIGNED_IN = """<!doctype html>
<html lang="th"><meta charset="utf-8"><title>Super App API</title>
<body><script src="/docs/oauth2-redirect.js"></script>
"""
