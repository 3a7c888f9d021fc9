"""The errors of the service itself, beside those of the reference database.

CdssError
├── DatabaseUnavailable      what changes (audit, exports, trial) cannot be read or written now
├── TrailBroken              a record of the audit trail cannot be read
├── NotFound                 there is nothing of that name
└── NotAllowed               the caller may not do this, or not in this state
    └── NotAuthenticated     the caller has not said, or not proven, who they are
"""

from __future__ import annotations

from reference_db.errors import CdssError


class DatabaseUnavailable(CdssError):
    """The database of the service cannot be read or written now; the next attempt may succeed."""


class TrailBroken(CdssError):
    """A record of the audit trail cannot be read: it was altered."""


class NotFound(CdssError):
    """There is nothing of that name."""


class NotAllowed(CdssError):
    """The caller may not do this, or not in this state."""


class NotAuthenticated(NotAllowed):
    """The caller has not said, or not proven, who they are."""
