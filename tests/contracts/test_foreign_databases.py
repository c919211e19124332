"""The port `Databases` on a real SQLite file and a real PostgreSQL: other people's tables as contacts."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from tests.campaigns.feeds.reading import BASE, Read, read
from tests.campaigns.workshop import Workshop
from tierii_mta.campaigns.feeds import Sources
from tierii_mta.errors import CheckFailed, Unavailable
from tierii_mta.storage.foreign import ForeignDatabases

ROWS = 1203
TABLE = "CREATE TABLE people (id integer, email text, first_name text, joined date, spent numeric, photo {binary})"
SOURCES = Sources(databases=ForeignDatabases())


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    folder = tmp_path / "campaign"
    folder.mkdir()
    return Workshop(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, workshop: Workshop) -> str:
    """A database with a table of people."""
    if request.param == "sqlite":
        with sqlite3.connect(workshop.folder / "crm.db") as connection:
            connection.execute(TABLE.format(binary="blob"))
            people = ((n, f"p{n}@example.org", f"Ann{n}", "2026-03-01", n) for n in range(ROWS))
            connection.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?, NULL)", people)
        connection.close()
        return "sqlite:///crm.db"
    server: str = request.getfixturevalue("postgres")
    engine = create_async_engine(make_url(server).set(drivername="postgresql+asyncpg"))
    async with engine.begin() as connection_:
        await connection_.exec_driver_sql("DROP TABLE IF EXISTS people")
        await connection_.exec_driver_sql(TABLE.format(binary="bytea"))
        await connection_.exec_driver_sql(
            "INSERT INTO people SELECT n, 'p' || n || '@example.org', 'Ann' || n, '2026-03-01', n "
            f"FROM generate_series(0, {ROWS - 1}) AS n"
        )
    await engine.dispose()
    return server


async def read_query(workshop: Workshop, url: str, query: str, options: str = "") -> Read:
    workshop.environ["CRM_DSN"] = url
    text = BASE + f'  - type: sql\n    url: "${{env:CRM_DSN}}"\n    query: "{query}"\n{options}'
    return await read(workshop.campaign(text), SOURCES)


async def test_every_row_of_a_query_comes_with_its_number_and_types(workshop: Workshop, url: str) -> None:
    query = "SELECT email, first_name, joined, spent, photo FROM people WHERE first_name <> ':x' ORDER BY id"
    found = await read_query(workshop, url, query)
    assert len(found.rows) == ROWS
    assert [row.line for row in found.rows] == list(range(1, ROWS + 1))
    assert found.rows[2].fields == {
        "email": "p2@example.org",
        "first_name": "Ann2",
        "joined": "2026-03-01",
        "spent": 2,
        "photo": None,
    }
    assert found.notices == ()


async def test_columns_are_named_by_map(workshop: Workshop, url: str) -> None:
    found = await read_query(workshop, url, "SELECT email AS login FROM people", "    map: {email: login}\n")
    assert found.rows[0].fields.keys() == {"email"}
    with pytest.raises(CheckFailed, match=r"no column holds the address"):
        await read_query(workshop, url, "SELECT email AS login FROM people")


@pytest.mark.parametrize(
    "query",
    ["DELETE FROM people RETURNING email", "UPDATE people SET email = 'x' RETURNING email", "DROP TABLE people"],
)
async def test_nothing_can_be_written(workshop: Workshop, url: str, query: str) -> None:
    with pytest.raises(CheckFailed, match=r"the query is refused: .*read-?only"):
        await read_query(workshop, url, query)
    assert len((await read_query(workshop, url, "SELECT email FROM people")).rows) == ROWS


async def test_a_query_that_cannot_be_is_refused_before_any_row(workshop: Workshop, url: str) -> None:
    with pytest.raises(CheckFailed, match=r"the query is refused: .*nobody"):
        await read_query(workshop, url, "SELECT email FROM nobody")


async def test_a_value_that_is_no_field_is_a_reject_of_its_row(workshop: Workshop, url: str) -> None:
    photo = "x'00ff'" if url.startswith("sqlite") else r"'\\x00ff'::bytea"
    found = await read_query(workshop, url, f"SELECT email, {photo} AS photo FROM people LIMIT 1")
    assert found.rows[0].problem == "column photo holds a bytes, which is no field"


async def test_a_database_that_is_not_there_is_named_without_its_password(workshop: Workshop) -> None:
    with pytest.raises(CheckFailed, match=r"nobody\.db: cannot be opened"):
        await read_query(workshop, "sqlite:///nobody.db", "SELECT 1 AS email")
    assert not (workshop.folder / "nobody.db").exists()
    with pytest.raises(Unavailable, match="the database cannot be reached") as caught:
        await read_query(workshop, "postgresql://me:s3cret@127.0.0.1:1/crm", "SELECT 1 AS email")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("nonsense", "the url of an sql feed is none"),
        ("klingon://x/y", "no driver is installed for klingon"),
        ("mysql+pymysql://x/y", "the driver for mysql"),
    ],
)
async def test_a_url_nobody_can_open_is_refused(workshop: Workshop, url: str, expected: str) -> None:
    with pytest.raises(CheckFailed, match=expected):
        await read_query(workshop, url, "SELECT 1 AS email")
