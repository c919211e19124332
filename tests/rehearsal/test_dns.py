"""The DNS server answers as the real one would, asked with dnspython's own client."""

import asyncio
import struct

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from tierii_mta.rehearsal.dns import DnsServer


async def ask(server: DnsServer, name: str, kind: str, *, tcp: bool = False) -> dns.message.Message:
    host, _, port = server.address.rpartition(":")
    query = dns.message.make_query(name, kind, use_edns=False)
    if tcp:
        return await dns.asyncquery.tcp(query, host, port=int(port), timeout=5)
    return await dns.asyncquery.udp(query, host, port=int(port), timeout=5)


@pytest.mark.parametrize("tcp", [False, True])
async def test_it_answers_over_udp_and_tcp_on_one_port(tcp: bool) -> None:
    async with DnsServer() as server:
        server.add("example.com", "MX", 10, "mx.example.com")
        server.add("example.com", "MX", 20, "mx2.example.com")
        answer = await ask(server, "EXAMPLE.com", "MX", tcp=tcp)
        assert sorted(record.to_text().lower() for record in answer.answer[0]) == [
            "10 mx.example.com.",
            "20 mx2.example.com.",
        ]
        assert server.count("example.com") == server.count("example.com", "MX") == 1


async def test_an_unknown_name_does_not_exist_and_a_known_one_without_the_type_has_no_data() -> None:
    async with DnsServer() as server:
        server.add("mx.example.com", "A", "192.0.2.1")
        unknown = await ask(server, "other.example.com", "A")
        assert unknown.rcode() == dns.rcode.NXDOMAIN
        assert unknown.authority[0].rdtype == dns.rdatatype.SOA
        for name in ("mx.example.com", "example.com"):
            empty = await ask(server, name, "AAAA")
            assert (empty.rcode(), empty.answer) == (dns.rcode.NOERROR, [])
            assert empty.authority[0].rdtype == dns.rdatatype.SOA


async def test_aliases_are_followed_and_loops_end() -> None:
    async with DnsServer() as server:
        server.add("www.example.com", "CNAME", "host.example.com")
        server.add("host.example.com", "A", "192.0.2.1")
        server.add("loop.example.com", "CNAME", "loop.example.com")
        assert len((await ask(server, "www.example.com", "A")).answer) == 2
        assert len((await ask(server, "loop.example.com", "A")).answer) == 1


async def test_a_long_answer_is_truncated_over_udp_and_whole_over_tcp() -> None:
    async with DnsServer() as server:
        for number in range(100):
            server.add("example.com", "MX", number, f"mx{number}.example.com")
        assert (await ask(server, "example.com", "MX")).flags & dns.flags.TC
        whole = await ask(server, "example.com", "MX", tcp=True)
        assert not whole.flags & dns.flags.TC
        assert len(whole.answer[0]) == 100


async def test_failures_are_as_told_until_mended() -> None:
    async with DnsServer() as server:
        server.add("example.com", "TXT", 'v=spf1 "quoted" ' + "x" * 300)
        server.fail("example.com", "SERVFAIL")
        assert (await ask(server, "example.com", "TXT")).rcode() == dns.rcode.SERVFAIL
        server.fail("example.com", "timeout")
        query = dns.message.make_query("example.com", "TXT").to_wire()
        assert server.answer(query, is_udp=True) is None
        server.mend("example.com")
        strings = (await ask(server, "example.com", "TXT", tcp=True)).answer[0][0].strings
        assert b"".join(strings) == b'v=spf1 "quoted" ' + b"x" * 300


async def test_an_idle_connection_does_not_keep_the_server_from_stopping() -> None:
    async with DnsServer() as server:
        host, _, port = server.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        query = dns.message.make_query("example.com", "A").to_wire()
        writer.write(struct.pack("!H", len(query)) + query)
        (size,) = struct.unpack("!H", await reader.readexactly(2))
        await reader.readexactly(size)
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_octets_that_are_no_query_get_no_answer_and_do_no_harm() -> None:
    async with DnsServer() as server:
        response = dns.message.make_response(dns.message.make_query("example.com", "A"))
        assert server.answer(b"not dns", is_udp=True) is None
        assert server.answer(response.to_wire(), is_udp=True) is None
        host, _, port = server.address.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(struct.pack("!H", 9999) + b"half")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await ask(server, "example.com", "A")).rcode() == dns.rcode.NXDOMAIN


async def test_reverse_names_and_null_mx_and_removal() -> None:
    async with DnsServer() as server:
        server.add_ptr("127.0.0.2", "mx.example.com")
        server.add("example.com", "MX", 0, ".")
        assert (await ask(server, "2.0.0.127.in-addr.arpa", "PTR")).answer[0][0].to_text() == "mx.example.com."
        assert (await ask(server, "example.com", "MX")).answer[0][0].to_text() == "0 ."
        server.remove("example.com")
        assert (await ask(server, "example.com", "MX")).rcode() == dns.rcode.NXDOMAIN
        with pytest.raises(ValueError, match="nonsense"):
            server.add("example.com", "A", "nonsense")
