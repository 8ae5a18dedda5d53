"""What differs between installations, read once from the environment (`SUPERAPP_*`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Each field `x` is read from `SUPERAPP_X`; the defaults are those of `make up`."""

    env: str = "development"
    """`development`, `test` or `production`; production refuses the development sign-in."""
    database_url: str = ""
    """A PostgreSQL ≥ 17 of one's own; empty: the embedded one."""
    owner_database_url: str = ""
    """The role that owns the tables and migrates; empty: the same as `database_url`."""
    data_dir: str = ""
    """Where the embedded PostgreSQL and the keyring live; empty: chosen by the launcher."""
    keyring: str = ""
    """The keyring file; empty: `keyring.json` in the data folder."""
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = ""
    """What clients see, without a trailing slash; empty: http://host:port."""
    providers: str = ""
    """A JSON file of OpenID Connect providers; see docs/sign-in.md."""
    dev_sign_in: str = ""
    """`on`, `off`; empty: on in development and tests. Sample accounts, on loopback only."""
    trusted_proxies: str = ""
    """Addresses whose X-Forwarded-For counts; empty: nobody's."""
    pool_size: int = 10
    statement_s: float = 10.0
    """A request's statement without an answer of the data base after this many seconds ends in
    a 503."""
    max_body_bytes: int = 8 * 1024 * 1024
    """Of one request, after decompression."""
    review_working_days: int = 7
    """Working days that a submitted visit may wait for its review before it escalates."""
    gate_distance_m: float = 500.0
    """Beyond this from the registered position the start of a visit is flagged."""
    firebase_credentials: str = ""
    """The key file of a service account of Firebase; empty: phones are not pushed to."""
    clock_skew_s: float = 300.0
    """A phone's clock further ahead than this is flagged."""
    storage_url: str = ""
    """Where files are kept: `s3://bucket/prefix`, `file:///folder`; empty: `objects` in the data
    folder."""
    storage_endpoint: str = ""
    """Of an S3-compatible store; empty: the one of AWS. Plain HTTP only when it says `http://`."""
    storage_region: str = ""
    storage_access_key: str = ""
    storage_secret_key: str = ""
    """Empty: as the AWS tools find them (`AWS_*`, the machine's role)."""
    storage_timeout_s: float = 10.0
    upload_max_bytes: int = 256 * 1024 * 1024
    """Of one file."""
    upload_days: int = 30
    """So long an unfinished upload waits to be gone on with."""
    uploads_open: int = 500
    """So many unfinished uploads an account may have at once."""
    image_max_bytes: int = 64 * 1024 * 1024
    image_max_pixels: int = 100_000_000
    """A larger picture is kept and flagged, not decoded."""
    order_photographs: int = 12
    """So many photographs an order's document shows; those beyond are listed by their hash."""
    record_photographs: int = 60
    """The same of a visit's record."""
    link_minutes: int = 10
    """How long a link to evidence is good."""
    acknowledge_working_days: int = 1
    """So long a complaint may wait until somebody has read it and taken it up."""
    first_action_working_days: int = 3
    resolve_days: int = 15
    """Calendar days until a complaint is answered (Good Governance Decree B.E. 2546, s.38)."""
    answer_reopened_days: int = 7
    emergency_acknowledge_hours: int = 1
    emergency_first_action_hours: int = 4
    emergency_resolve_hours: int = 72
    emergency_answer_reopened_hours: int = 24
    reopen_days: int = 15
    """So long after its end a complainant may say that it is not solved; then it is closed."""
    challenge_url: str = ""
    """A `siteverify` address that tells people from programs (hCaptcha, Turnstile, …); empty:
    nobody who sends without signing in is challenged."""
    challenge_secret: str = ""
    reopenings: Annotated[int, msgspec.Meta(ge=0, le=100)] = 2
    """So often a complainant may reopen a complaint by themselves; then only a head."""
    answer_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 14
    """So long an office waits for a complainant's answer; then it goes on without one."""
    mail_server: str = ""
    """`smtp://user:password@host:587` or `smtps://…`, for letters to complainants who left an
    address and no account; empty: they follow their complaint by its code alone."""
    mail_from: str = "no-reply@localhost"
    complaints_a_day: int = 20
    """That one account, or one device, may send."""
    complaints_an_hour: int = 120
    """That one network may send: many people share an address of a mobile operator."""
    complaint_files: int = 30
    """That whoever told a complaint may add to it."""
    complaint_file_bytes: int = 64 * 1024 * 1024
    armings_a_minute: Annotated[int, msgspec.Meta(ge=1)] = 60
    """So often an account may wait for another card; more than any counter has."""
    message_days: int = 3650
    """So long a message stays in its inbox, read or not; case files list what is there."""
    public_grid_deg: Annotated[float, msgspec.Meta(ge=0.001, le=1)] = 0.01
    """The grid, in degrees, on which the public sees where released complaints lie."""
    public_cell_min: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 5
    """Fewer than so many are shown neither on the map nor in a count."""
    public_settle_days: Annotated[int, msgspec.Meta(ge=0, le=365)] = 15
    """So long after a month's end its complaints are counted for the public, once and for all."""
    open311_jurisdiction: str = "industry.go.th"
    """The one `jurisdiction_id` of Open311; a request may leave it out."""

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Settings:
        """Raises `msgspec.ValidationError` naming the variable that cannot be read."""
        given = {
            name: environ[f"SUPERAPP_{name.upper()}"]
            for name in cls.__struct_fields__
            if environ.get(f"SUPERAPP_{name.upper()}")
        }
        if "port" not in given and environ.get("PORT"):
            given["port"] = environ["PORT"]
        return msgspec.convert(given, cls, strict=False)

    @property
    def base_url(self) -> str:
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def keyring_path(self) -> Path:
        return (
            Path(self.keyring) if self.keyring else Path(self.data_dir or ".data", "keyring.json")
        )

    @property
    def storage_folder(self) -> Path:
        return Path(self.data_dir or ".data", "objects")

    @property
    def production(self) -> bool:
        return self.env == "production"

    @property
    def migrations(self) -> Path:
        return Path(__file__).parent.parent / "migrations"


_current: Settings | None = None


def use(settings: Settings) -> None:
    """Makes `settings` those of this process; the composition roots call it once."""
    global _current
    _current = settings


def current() -> Settings:
    """The settings of this process; without a root, those of the environment."""
    global _current
    if _current is None:
        _current = Settings.load(os.environ)
    return _current
