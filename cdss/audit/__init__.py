"""Every access accounted for: an append-only chain of records without any clinical value, name or token."""

from cdss.audit.key import AuditKey, audit_key
from cdss.audit.record import AuditRecord
from cdss.audit.trail import AuditEntry, AuditTrail, Outcome, Verification, open_trail
from cdss.audit.witness import Head, Witness
from cdss.audit.writer import AuditWriter

__all__ = [
    "AuditEntry",
    "AuditKey",
    "AuditRecord",
    "AuditTrail",
    "AuditWriter",
    "Head",
    "Outcome",
    "Verification",
    "Witness",
    "audit_key",
    "open_trail",
]
