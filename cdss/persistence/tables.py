"""Every table of the service in one metadata: imported where declarations and migrations are compared."""

from cdss.audit import record
from cdss.ehr import kept
from cdss.evaluation import records
from cdss.exports import request

__all__ = ["kept", "record", "records", "request"]
