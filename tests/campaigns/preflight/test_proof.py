"""Every contact's mail is tried before a campaign is called sound."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.campaigns.preflight.bench import PEOPLE, Bench, of_rule
from tierii_mta.authentication.dkim import DkimKey
from tierii_mta.campaigns.plate import Job
from tierii_mta.campaigns.preflight.run import Scope
from tierii_mta.campaigns.preflight.specimens import OwnPress
from tierii_mta.campaigns.press import Edition, Menace, Print
from tierii_mta.campaigns.summary import Step
from tierii_mta.errors import Unavailable
from tierii_mta.queue.delivery import Priority

ALL = Scope(renders_all=True)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def people(count: int, **odd: str) -> list[dict[str, object]]:
    """Return contacts of one kind; `odd` gives some, by their number, another first name."""
    return [
        {**PEOPLE[0], "email": f"p{number}@example.org", "first_name": odd.get(f"n{number}", "Anna")}
        for number in range(count)
    ]


async def test_a_contact_that_breaks_the_template_is_found_wherever_it_stands(bench: Bench) -> None:
    bench.html += "{{ 1 // (first_name | length - 3) }}"
    bench.people = people(230, n150="Bob", n229="Eve", n7="Ann")

    preflight = await bench.examine(scope=ALL)

    found = of_rule(preflight, "C2")
    assert [each.where for each in found] == ["people.csv:9"]
    assert "does not render for 3 contacts, this the first: " in found[0].what
    assert "by zero" in found[0].what
    assert preflight.proof is not None
    assert (preflight.proof.printed, preflight.proof.failed) == (227, 3)
    assert [each.rows for each in bench.shown] == [100, 200]
    assert {(each.step, each.total) for each in bench.shown} == {(Step.RENDERING, 230)}


async def test_reasons_are_told_up_to_twenty_and_the_others_counted(bench: Bench) -> None:
    bench.html += "{{ format_currency(first_name) if first_name != 'Anna' }}"
    bench.people = people(30, **{f"n{number}": f"x{number}" for number in range(5, 30)})

    found = of_rule(await bench.examine(scope=ALL), "C2")

    assert len(found) == 21
    assert "does not render for 5 more contacts" in found[-1].what


async def test_a_mail_that_is_too_large_for_one_contact_is_found(bench: Bench) -> None:
    bench.html += "{{ first_name * 1000 * 50 if first_name != 'Anna' }}"
    bench.people = people(12, n11="x" * 20)
    bench.max_message_bytes = 900_000

    found = of_rule(await bench.examine(scope=ALL), "C2")

    assert [each.where for each in found] == ["people.csv:13"]
    assert "more than 900000" in found[0].what


async def test_nobody_else_is_tried_where_a_sample_is_asked_for(bench: Bench) -> None:
    bench.html += "{{ 1 // (first_name | length - 3) }}"
    bench.people = people(50, n30="Bob")
    preflight = await bench.examine(scope=Scope(sample=0))
    assert preflight.proof is None
    assert of_rule(preflight, "C2") == []


class WornOut(OwnPress):
    """A press that one mail has cost too many workers: it turns away the others of the campaign."""

    menace = 120
    asked = 0

    async def produce(self, edition: Edition, job: Job, keys: Sequence[DkimKey], *, priority: Priority) -> Print:
        self.asked += priority is Priority.LOW
        if self.asked >= self.menace and not keys:
            number = int(str(job.recipient).removeprefix("p").partition("@")[0])
            raise Menace("no worker survives it") if number == self.menace else Unavailable("turned away")
        return await super().produce(edition, job, keys, priority=priority)


async def test_a_campaign_that_wears_out_the_press_is_not_tried_to_its_end(bench: Bench) -> None:
    press = bench.press = WornOut(bench.clock)
    bench.people = people(1000)

    found = of_rule(await bench.examine(scope=ALL), "C2")

    assert [(each.where, "no worker survives it" in each.what) for each in found] == [("people.csv:122", True)]
    assert press.asked == 200


async def test_a_press_that_cannot_work_is_no_fault_of_the_campaign(bench: Bench) -> None:
    press = bench.press = WornOut(bench.clock)
    press.menace = 2000
    press.asked = 1990
    bench.people = people(100)
    with pytest.raises(Unavailable):
        await bench.examine(scope=ALL)
