"""How it is kept: one implementation of every storage port on SQLAlchemy Core, for SQLite and PostgreSQL."""

from tierii_mta.storage.database import Database
from tierii_mta.storage.locks import DaemonLock

__all__ = ["DaemonLock", "Database"]
