"""How it is kept: one implementation of every storage port on SQLAlchemy Core, for SQLite and PostgreSQL."""
