"""The spool between the passes: order, size, and a disk that takes no more."""

import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierii_mta.campaigns import spool as spooling
from tierii_mta.campaigns.spool import Order, Spool, Waiting
from tierii_mta.errors import Unavailable
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.delivery import Json
from tierii_mta.queue.reserve import NoRoom, Reserve

PERSONS = st.lists(st.binary(min_size=1, max_size=2).map(PersonKey), max_size=60)
JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def put(spool: Spool, persons: list[PersonKey]) -> list[Waiting]:
    contacts = [
        Waiting(person, number, f"p{number}@example.org", "example.org", {"number": number}, 0, number + 2)
        for number, person in enumerate(persons)
    ]
    for contact in contacts:
        spool.put(contact)
    return contacts


@pytest.fixture
def short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooling, "_RUN", 7)
    monkeypatch.setattr(spooling, "_PAGE", 3)


@pytest.mark.usefixtures("short_runs")
class TestOrder:
    @settings(max_examples=60, deadline=None)
    @given(persons=PERSONS)
    def test_contacts_come_back_by_person_and_the_first_of_a_person_first(self, persons: list[PersonKey]) -> None:
        with Spool(None, order=Order.PERSON) as spool:
            given_ = put(spool, persons)
            assert list(spool) == sorted(given_, key=lambda one: (one.person, one.number))
            assert list(spool) == list(spool), "a second reading gives the same"

    @settings(max_examples=60, deadline=None)
    @given(persons=PERSONS)
    def test_or_as_they_were_put(self, persons: list[PersonKey]) -> None:
        with Spool(None, order=Order.GIVEN) as spool:
            assert put(spool, persons) == list(spool)

    @settings(max_examples=60, deadline=None)
    @given(persons=PERSONS)
    def test_or_in_the_order_of_the_feeds_whatever_the_order_they_were_put_in(self, persons: list[PersonKey]) -> None:
        with Spool(None, order=Order.PERSON) as first, Spool(None, order=Order.NUMBER) as second:
            given_ = put(first, persons)
            for contact in first:
                second.put(contact)
            assert list(second) == given_
            assert len(second) == len(given_)


@settings(max_examples=60, deadline=None)
@given(fields=st.dictionaries(st.text(), JSON, max_size=4))
def test_fields_come_back_as_they_were(fields: dict[str, Json]) -> None:
    with Spool(None, order=Order.PERSON) as spool:
        spool.put(Waiting(PersonKey(b"a"), 0, "a@example.org", "example.org", fields, 0, 2))
        (waiting,) = spool
        assert waiting.fields == fields


def test_its_file_has_no_name(tmp_path: Path) -> None:
    with Spool(tmp_path, order=Order.PERSON) as spool:
        put(spool, [PersonKey(b"a")])
        assert len(list(spool)) == 1
        assert list(tmp_path.iterdir()) == []


def test_a_disk_below_its_reserve_takes_no_contacts(tmp_path: Path) -> None:
    reserve = Reserve(folder=tmp_path, size_bytes=1 << 62)
    with Spool(tmp_path, order=Order.PERSON, reserve=reserve) as spool:
        put(spool, [PersonKey(b"a")])
        with pytest.raises(NoRoom):
            list(spool)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(Unavailable, match="cannot be put aside: No such file"),
        Spool(tmp_path / "x", order=Order.PERSON),
    ):
        pass


def test_a_disk_that_takes_no_more_is_a_temporary_failure(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Spool(tmp_path, order=Order.PERSON) as spool:
        put(spool, [PersonKey(b"a")] * 1000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        try:
            with pytest.raises(Unavailable, match="cannot be put aside: File too large"):
                list(spool)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert len(list(spool)) == 1000, "and nothing was lost"
