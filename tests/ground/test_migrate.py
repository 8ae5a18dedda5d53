"""The migration runner: once, in order, unchanged, whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from api import ids
from api.embedded import EmbeddedPostgres
from api.migrate import FOLDER, MigrationError, migrate


@pytest.fixture
async def url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """An empty data base of this test's own."""
    name = f"m{ids.new().hex}"
    yield await postgres.create_database(name)
    await postgres.drop_database(name)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "0001_ground.sql").write_text("create table place (code text primary key);\n")
    (tmp_path / "0002_more.sql").write_text(
        "create table visit (id int);\ninsert into place values ('11');\n"
    )
    return tmp_path


async def fetch(url: str, sql: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(sql)
    finally:
        await connection.close()


async def test_files_run_in_order_and_a_second_run_does_nothing(url: str, files: Path) -> None:
    assert await migrate(url, files) == ["0001_ground.sql", "0002_more.sql"]
    assert await migrate(url, files) == []
    assert len(await fetch(url, "select * from place")) == 1


async def test_of_several_servers_starting_at_once_each_file_is_applied_by_one(
    url: str, files: Path
) -> None:
    (files / "0003_slow.sql").write_text("select pg_sleep(0.2); insert into place values ('12');")
    done = await asyncio.gather(*(migrate(url, files) for _ in range(5)))
    assert sorted(name for names in done for name in names) == [
        "0001_ground.sql",
        "0002_more.sql",
        "0003_slow.sql",
    ]
    assert len(await fetch(url, "select * from place")) == 2


async def test_servers_starting_at_once_outlive_an_index_built_concurrently(
    url: str, files: Path
) -> None:
    (files / "0003_index.sql").write_text(
        "-- no-transaction\ncreate index concurrently if not exists visit_id on visit (id);\n"
        "-- and another; in its own statement\n"
        "create index concurrently if not exists visit_id_2 on visit (id);\n"
    )
    done = await asyncio.wait_for(asyncio.gather(*(migrate(url, files) for _ in range(4))), 20)
    assert sum(len(names) for names in done) == 3
    valid = await fetch(url, "select indisvalid from pg_index where indrelid = 'visit'::regclass")
    assert [row["indisvalid"] for row in valid] == [True, True]


async def test_a_file_changed_after_it_was_applied_is_refused_by_name(
    url: str, files: Path
) -> None:
    await migrate(url, files)
    with (files / "0001_ground.sql").open("a") as file:
        file.write("-- a harmless word\n")
    (files / "0003_new.sql").write_text("create table unwanted (id int);")
    with pytest.raises(MigrationError, match=r"0001_ground\.sql was changed"):
        await migrate(url, files)
    assert (await fetch(url, "select to_regclass('unwanted') as t"))[0]["t"] is None


async def test_line_endings_of_another_system_are_no_change(url: str, files: Path) -> None:
    await migrate(url, files)
    path = files / "0002_more.sql"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert await migrate(url, files) == []


async def test_a_failing_migration_leaves_nothing_and_names_its_line(url: str, files: Path) -> None:
    (files / "0003_bad.sql").write_text(
        "create table half (id int);\n\ninsert into nowhere values (1);\n"
    )
    (files / "0004_next.sql").write_text("create table after_it (id int);")
    with pytest.raises(MigrationError, match=r"0003_bad\.sql, line 3: .*nowhere"):
        await migrate(url, files)
    state = await fetch(
        url,
        "select to_regclass('half') as half, to_regclass('after_it') as after_it,"
        " array(select name from schema_migration order by name) as names",
    )
    assert state[0]["half"] is None
    assert state[0]["after_it"] is None
    assert state[0]["names"] == ["0001_ground.sql", "0002_more.sql"]
    (files / "0003_bad.sql").write_text("create table whole (id int);")
    assert await migrate(url, files) == ["0003_bad.sql", "0004_next.sql"]


async def test_a_file_that_commits_by_itself_is_refused(url: str, files: Path) -> None:
    (files / "0003_commit.sql").write_text("create table a (id int); commit;")
    with pytest.raises(MigrationError, match="remove its COMMIT"):
        await migrate(url, files)


async def test_a_file_that_comes_too_late_is_refused(url: str, files: Path) -> None:
    await migrate(url, files)
    (files / "0001_later.sql").write_text("select 1;")
    with pytest.raises(MigrationError, match=r"0001_later\.sql comes before 0002_more\.sql"):
        await migrate(url, files)


async def test_an_applied_file_that_is_missing_here_is_refused(url: str, files: Path) -> None:
    await migrate(url, files)
    (files / "0001_ground.sql").unlink()
    with pytest.raises(MigrationError, match=r"0001_ground\.sql was applied .* missing"):
        await migrate(url, files)


async def test_an_old_server_starts_on_a_newer_data_base(url: str, files: Path) -> None:
    await migrate(url, files)
    (files / "0002_more.sql").unlink()
    assert await migrate(url, files) == []


async def test_a_data_base_without_thai_trigrams_is_refused_and_told_how(
    postgres: EmbeddedPostgres, files: Path
) -> None:
    name = f"c{ids.new().hex}"
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute(
        f"create database {name} template template0 locale_provider libc locale 'C'"
    )
    await connection.close()
    with pytest.raises(MigrationError, match=r"no trigrams of Thai.*builtin_locale 'C.UTF-8'"):
        await migrate(postgres.url(name), files)
    assert (
        await fetch(postgres.url(name), "select 1 from pg_extension where extname='pg_trgm'") == []
    )
    await postgres.drop_database(name)


async def test_an_old_server_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.migrate.OLDEST_POSTGRES", 99)
    with pytest.raises(MigrationError, match="version 99 or newer is needed"):
        await migrate(url)


async def test_the_houses_own_migrations_apply_once(url: str) -> None:
    names = sorted(path.name for path in FOLDER.glob("*.sql"))
    assert await migrate(url) == names
    assert await migrate(url) == []
