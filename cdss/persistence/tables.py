"""Every table of the service in one metadata: imported where declarations and migrations are compared."""

from cdss.audit import record

__all__ = ["record"]
