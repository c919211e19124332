"""Sources: a lane keeps its source, and a change of sources moves only the lanes it must."""

from collections import Counter

from tierii_mta.outbound.sources import Source, choose_source
from tierii_mta.queue.delivery import Lane, LaneId, StreamId

SOURCES = [Source(name=f"s{number}", ehlo=f"s{number}.example.com") for number in range(4)]
LANES = [
    Lane(id=LaneId(number), stream=StreamId(number % 7), domain=f"domain{number}.example") for number in range(2000)
]


def assignment(sources: list[Source], suspended: frozenset[str] = frozenset()) -> dict[LaneId, str]:
    chosen = {lane.id: choose_source(lane, sources, suspended) for lane in LANES}
    return {lane: source.name for lane, source in chosen.items() if source}


def test_a_lane_keeps_its_source_whatever_the_order_and_its_row() -> None:
    assert assignment(SOURCES) == assignment(SOURCES[::-1])
    twin = Lane(id=LaneId(999_999), stream=LANES[5].stream, domain=LANES[5].domain)
    assert choose_source(twin, SOURCES) == choose_source(LANES[5], SOURCES)


def test_the_choice_is_the_same_in_every_process_and_release() -> None:
    names = [source.name for lane in LANES[:8] if (source := choose_source(lane, SOURCES))]
    assert names == ["s3", "s2", "s2", "s0", "s0", "s1", "s3", "s1"]


def test_a_suspended_source_moves_only_its_own_lanes_and_gets_them_back() -> None:
    before = assignment(SOURCES)
    during = assignment(SOURCES, frozenset({"s2"}))
    assert all(during[lane] == name for lane, name in before.items() if name != "s2")
    assert "s2" not in during.values()
    assert len({during[lane] for lane, name in before.items() if name == "s2"}) == 3
    assert assignment(SOURCES) == before


def test_a_new_source_takes_its_share_and_moves_no_other_lane() -> None:
    before = assignment(SOURCES)
    after = assignment([*SOURCES, Source(name="s4", ehlo="s4.example.com")])
    moved = [lane for lane in before if before[lane] != after[lane]]
    assert {after[lane] for lane in moved} == {"s4"}
    assert 300 < len(moved) < 500  # a fifth of 2000


def test_weights_are_shares() -> None:
    heavy = Source(name="s0", ehlo="s0.example.com", weight=3)
    shares = Counter(assignment([heavy, SOURCES[1]]).values())
    assert 2.5 < shares["s0"] / shares["s1"] < 3.6
    assert set(assignment([Source(name="s0", ehlo="x.example", weight=0), SOURCES[1]]).values()) == {"s1"}


def test_without_a_source_left_there_is_none() -> None:
    assert choose_source(LANES[0], []) is None
    assert choose_source(LANES[0], SOURCES[:1], {"s0"}) is None


def test_an_address_of_the_other_family_is_not_replaced_by_the_kernels() -> None:
    only4 = Source(name="a", ehlo="a.example", address="192.0.2.1")
    assert only4.can_reach("198.51.100.1")
    assert not only4.can_reach("2001:db8::1")
    anything = Source(name="a", ehlo="a.example")
    assert anything.can_reach("2001:db8::1")
    assert anything.local_address("2001:db8::1") is None
    both = Source(name="a", ehlo="a.example", address="192.0.2.1", address6="2001:db8::2")
    assert both.local_address("2001:db8::1") == "2001:db8::2"
    assert both.local_address("198.51.100.1") == "192.0.2.1"
