"""Governed exports: requested by a steward, checked by the service, decided by a manager, delivered to who asked."""

from cdss.exports.desk import ExportDesk
from cdss.exports.request import ExportEvent, ExportRequest
from cdss.exports.states import TRANSITIONS, State

__all__ = ["TRANSITIONS", "ExportDesk", "ExportEvent", "ExportRequest", "State"]
