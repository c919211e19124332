"""Our certificate: loaded at the start, loaded anew when its files change, with every session left as it is.

Owns the TLS context of the front door (TLS 1.2 and later, no session tickets: some servers abort STARTTLS when they get
one) and what operators read about a certificate that cannot be used.  Touches the file system.  RFC 8314 §4.1.
"""

import ssl
from pathlib import Path

import structlog

from tierii_mta.clock import Clock
from tierii_mta.daemon.settings.front_door import TlsSettings
from tierii_mta.errors import ConfigurationError

_LOOK_EVERY_S = 10.0
_Stamp = tuple[tuple[int, int, int], ...]


class Certificate:
    """The certificate in use. `context` is asked for each handshake."""

    def __init__(self, settings: TlsSettings | None) -> None:
        """Raises `ConfigurationError`."""
        self._settings = settings
        self._stamp = _stamp(settings)
        self._context = _load(settings)

    def context(self) -> ssl.SSLContext | None:
        """Return what handshakes use from now on; None: there is no certificate."""
        return self._context

    def reload(self, settings: TlsSettings | None) -> None:
        """Take up other settings, or the same files anew; raises `ConfigurationError`, and all stays as it was."""
        if (settings is None) != (self._settings is None):
            raise ConfigurationError("TLS is switched on or off by a restart", where="tls")
        context, stamp = _load(settings), _stamp(settings)
        self._settings, self._context, self._stamp = settings, context, stamp

    async def watch(self, clock: Clock) -> None:
        """Load the files anew whenever they change, until cancelled; a bad pair is told, and the old one stays."""
        while True:
            await clock.sleep(_LOOK_EVERY_S)
            stamp = _stamp(self._settings)
            if stamp == self._stamp:
                continue
            log = structlog.get_logger()
            try:
                self.reload(self._settings)
            except ConfigurationError as error:
                self._stamp = stamp  # told once
                log.error("certificate.refused", error=str(error))  # noqa: TRY400  a sentence, no traceback
            else:
                log.info("certificate.reloaded")


def _load(settings: TlsSettings | None) -> ssl.SSLContext | None:
    if settings is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.num_tickets = 0
    for key, file in (("tls.certificate", settings.certificate), ("tls.key", settings.key)):
        try:
            Path(file).read_bytes()
        except OSError as cause:
            raise ConfigurationError(f"{file} cannot be read: {cause.strerror}", where=key) from cause
    try:
        context.load_cert_chain(settings.certificate, settings.key, password=_no_passphrase)
    except (ssl.SSLError, ValueError) as cause:
        raise ConfigurationError(
            f"{settings.certificate} and {settings.key} are no pair of certificate and key: {cause}",
            where="tls",
            remedy="both are PEM, the key without a passphrase, the certificate followed by its chain",
        ) from cause
    return context


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase")  # or OpenSSL would ask at the terminal


def _stamp(settings: TlsSettings | None) -> _Stamp:
    """Return what changes when a file is replaced."""
    if settings is None:
        return ()
    return tuple(_stamp_of(Path(file)) for file in (settings.certificate, settings.key))


def _stamp_of(file: Path) -> tuple[int, int, int]:
    try:
        state = file.stat()
    except OSError:
        return (0, 0, 0)  # being replaced, or gone
    return (state.st_ino, state.st_mtime_ns, state.st_size)
