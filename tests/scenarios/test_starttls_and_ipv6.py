"""Story: mail leaves over STARTTLS and over IPv6, and says so in `why`."""

from pathlib import Path

from tests.scenarios.stage import open_stage


async def test_starttls_is_used_where_it_is_offered_and_ipv6_where_it_is_all_there_is(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        tls = await stage.sink("tls.example", "127.0.0.2", "tls: {starttls: required}")
        six = await stage.sink("six.example", "::1")
        await stage.start_daemon(web=False)
        contacts = [{"email": "a@tls.example"}, {"email": "b@six.example"}]
        await stage.run("enqueue", stage.campaign("both", contacts))
        await stage.settled("both", completed=2)
        assert [len(sink.received) for sink in (tls, six)] == [1, 1]
        assert tls.received[0].tls is not None
        assert stage.verifies(tls.received[0].data)
        assert "TLSv1.3 unverified" in (await stage.run("why", "a@tls.example")).out
        assert "::1" in (await stage.run("why", "b@six.example", "--json")).out
        assert await stage.stop_daemon() == 0
