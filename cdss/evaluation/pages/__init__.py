"""The pages of the evaluation: plain HTML forms without script, in English and French."""

from cdss.evaluation.pages.forms_of_participant import ParticipantPage, participant_page
from cdss.evaluation.pages.frame import Words, page, words
from cdss.evaluation.pages.lead import checked_page
from cdss.evaluation.pages.refusals import said
from cdss.evaluation.pages.trial import home_page, trial_page

__all__ = [
    "ParticipantPage",
    "Words",
    "checked_page",
    "home_page",
    "page",
    "participant_page",
    "said",
    "trial_page",
    "words",
]
