"""Asking the web: the address that was judged is the one that is dialled."""

import asyncio

from tierii_mta.campaigns.preflight.case import WebAnswer
from tierii_mta.campaigns.preflight.probe import open_probe


async def test_a_name_is_asked_at_the_address_that_was_judged() -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 Done\r\nConnection: close\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, open_probe() as web:
        port = server.sockets[0].getsockname()[1]
        # No resolver knows the name: were it asked once more, there would be no answer.
        answer = await web.ask("HEAD", f"http://shop.rebound.invalid:{port}/a?b=c", at="127.0.0.1")
        assert answer == WebAnswer(status=204, sets_cookie=False)
        assert isinstance(await web.ask("HEAD", f"http://shop.rebound.invalid:{port}/"), str)
    assert heard[0].startswith(b"HEAD /a?b=c HTTP/1.1\r\n")
    assert f"\r\nHost: shop.rebound.invalid:{port}\r\n".lower().encode() in heard[0].lower()
    assert len(heard) == 1
