"""What changes while the service runs (audit, export requests, trial), on SQLite or PostgreSQL."""

from cdss.persistence.base import Base, UtcDateTime
from cdss.persistence.database import Database, open_database

__all__ = ["Base", "Database", "UtcDateTime", "open_database"]
