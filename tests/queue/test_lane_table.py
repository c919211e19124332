"""The rows behind the directory."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.queue.values import lane
from tests.support.clock import START
from tierii_mta.queue.delivery import LaneId, Priority, StreamId
from tierii_mta.queue.lane_table import LaneTable

STEPS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 40) | st.integers(0, 2**40), st.sampled_from(Priority)), max_size=200
)


@settings(max_examples=150)
@given(STEPS)
def test_the_table_finds_what_was_inserted_and_not_removed(steps: list[tuple[bool, int, Priority]]) -> None:
    table, expected = LaneTable(), dict[tuple[int, Priority], int]()
    for is_insert, number, priority in steps:
        key = (number, priority)
        if is_insert and key not in expected:
            expected[key] = table.insert(lane(number, stream=number % 3), priority, due=START, count=number % 7)
        elif not is_insert and key in expected:
            table.remove(expected.pop(key))
    assert len(table) == len(expected)
    assert sorted(table.slots()) == sorted(expected.values())
    for (number, priority), slot in expected.items():
        assert table.find(LaneId(number), priority) == slot
        assert table.lane(slot) == lane(number, stream=number % 3)
        assert (table.priority(slot), table.count[slot], table.due[slot]) == (priority, number % 7, START)
        assert slot in table.slots(StreamId(number % 3))
    for _, number, priority in steps:
        assert (table.find(LaneId(number), priority) is not None) == ((number, priority) in expected)


def test_domains_of_removed_lanes_do_not_pile_up() -> None:
    table = LaneTable()
    kept = table.insert(lane(1, domain="kept.example"), Priority.NORMAL, due=START, count=1)
    for number in range(2, 5_000):
        table.remove(table.insert(lane(number, domain=f"d{number}." + "x" * 60), Priority.LOW, due=START, count=1))
    assert len(table._domains) < 200_000
    assert table.lane(kept).domain == "kept.example"
