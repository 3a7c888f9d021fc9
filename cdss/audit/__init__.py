"""Every access accounted for: an append-only chain of records without any clinical value, name or token."""

from cdss.audit.record import AuditRecord

__all__ = ["AuditRecord"]
