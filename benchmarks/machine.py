"""What the machine gave at that hour: durable writes a second, the price of one signature, flushes its disk took.

Absolute rates mean little without these; they are printed beside every result.
"""

import os
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

_FLUSHES = 15  # of the fields of /sys/dev/block/*/stat: flush requests completed (Documentation/block/stat.rst)


def fsyncs_per_s(folder: Path, *, seconds: float = 1.0) -> int:
    """Return how often a second 4 KB can be appended to a file here and synced, one after the other."""
    path = folder / "fsync.probe"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        count, started = 0, time.monotonic()
        while time.monotonic() < started + seconds:
            os.write(descriptor, bytes(4096))
            os.fdatasync(descriptor)
            count += 1
        return round(count / (time.monotonic() - started))
    finally:
        os.close(descriptor)
        path.unlink()


def flushes(folder: Path) -> int | None:
    """Return how many flush requests the disk below a folder has completed, whoever sent them; None: not a disk."""
    device = folder.stat().st_dev
    path = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")
    fields = path.read_text().split() if path.exists() else []
    return int(fields[_FLUSHES]) if len(fields) > _FLUSHES else None


def signature_ms(count: int = 300) -> float:
    """Return the CPU time of one RSA-2048 signature."""
    key = rsa.generate_private_key(65537, 2048)
    started = time.process_time()
    for _ in range(count):
        key.sign(b"x" * 300, padding.PKCS1v15(), SHA256())
    return round(1000 * (time.process_time() - started) / count, 3)
