"""The blinded questionnaire for experts: a page of the viewer, served to one person of this machine."""

from cdss.questionnaire.server import serve_questionnaire
from cdss.questionnaire.sitting import Sitting

__all__ = ["Sitting", "serve_questionnaire"]
