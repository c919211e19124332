"""LMTP: a message is handed to a server that keeps mailboxes, such as Dovecot.

Owns one session for one letter, and what its replies mean for it; the dialogue is smtp.client's, which says LHLO here.
A transaction has one recipient, so there is one reply to the final dot, where LMTP gives one for each (RFC 2033
§4.2): what a server says of one recipient never touches another.  Everything before MAIL, and every 4xx to MAIL and
DATA, is about the server; the rest is about this recipient or message.  If the reply to the dot never comes the
message is sent again.  RFC 2033, RFC 5321.  Touches the network.
"""

import asyncio
import socket
from dataclasses import dataclass
from datetime import timedelta

from tierii_mta.clock import Clock
from tierii_mta.correspondence.mailboxes.delivery import Done, Later, Letter, Never, Outcome, whole
from tierii_mta.correspondence.mailboxes.targets import LmtpTarget
from tierii_mta.mail.address import Address
from tierii_mta.mail.envelope import Envelope
from tierii_mta.outbound.security import TlsContexts, TlsPolicy
from tierii_mta.outbound.session import ConnectFailed, Host, Session, Timeouts, Transaction, open_session
from tierii_mta.outbound.sources import Source
from tierii_mta.queue.delivery import Stage

_MINUTE = timedelta(minutes=1)
TIMEOUTS = Timeouts(
    connect=timedelta(seconds=10),
    greeting=_MINUTE,
    ehlo=_MINUTE,
    mail=_MINUTE,
    rcpt=_MINUTE,
    data=_MINUTE,
    body=_MINUTE,
    dot=timedelta(minutes=5),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LmtpDeliverer:
    """Delivers to one server."""

    target: LmtpTarget
    hostname: str
    clock: Clock
    contexts: TlsContexts
    timeouts: Timeouts = TIMEOUTS

    async def deliver(self, letter: Letter) -> Outcome:
        """Hand the letter over in a session of its own."""
        try:
            session = await self._session()
        except ConnectFailed as failure:
            return Later(reason=f"{self.target}: {failure}")
        except OSError as failure:  # the name is not known
            return Later(reason=f"{self.target}: {failure.strerror or failure}")
        try:
            recipient = Address.parse(letter.job.recipient)
            octets = await whole(letter, with_return_path=False)
            envelope = Envelope(
                reverse_path=letter.reverse_path,
                recipients=(recipient,),
                size_bytes=len(octets),
                is_8bit=letter.is_8bit,
                needs_smtputf8=letter.is_smtputf8,
            )
            return self._meaning(await session.transact(envelope, octets), recipient)
        finally:
            await session.close()

    async def _session(self) -> Session:
        found = await asyncio.get_running_loop().getaddrinfo(
            self.target.host, self.target.port, type=socket.SOCK_STREAM
        )
        failure: ConnectFailed | None = None
        for *_, address in found:
            for tls in (TlsPolicy.OPPORTUNISTIC, TlsPolicy.NONE):
                try:
                    return await self._open(str(address[0]), tls)
                except ConnectFailed as error:
                    failure = error
                    if not error.is_tls:
                        break
        raise failure or OSError(f"{self.target.host} has no address")

    async def _open(self, address: str, tls: TlsPolicy) -> Session:
        return await open_session(
            Host(self.target.host, address, self.target.port),
            source=Source(name="lmtp", ehlo=self.hostname),
            tls=tls,
            ehlo=self.hostname,
            timeouts=self.timeouts,
            clock=self.clock,
            contexts=self.contexts,
            is_lmtp=True,
        )

    def _meaning(self, ended: Transaction, recipient: Address) -> Outcome:
        stage, reply = ended.decided(recipient)
        if ended.is_success and stage is Stage.DOT:
            return Done(answer=str(reply))
        said = f"{self.target}, {stage}: {reply}"
        if reply.is_permanent and (not ended.is_local or ended.missing is not None or stage is Stage.RCPT):
            return Never(reason=said)
        is_about_server = ended.is_local or stage not in (Stage.RCPT, Stage.DOT)
        return Later(reason=said, is_mailbox_down=is_about_server)
