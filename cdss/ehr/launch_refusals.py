"""Why a SMART launch could not go on: for the person in front of the screen, and as a class for the log."""

from __future__ import annotations

import html
from enum import StrEnum


class Why(StrEnum):
    """The classes of refusal. They name no patient, no token and nothing that was sent, so they may be logged."""

    NO_LAUNCH_PARAMETER = "no_launch_parameter"
    ISSUER_NOT_LISTED = "issuer_not_listed"
    ENDPOINTS_NOT_SAFE = "endpoints_not_safe"
    NO_PKCE = "no_pkce"
    NOT_REACHED = "not_reached"
    REFUSED = "refused"
    NOT_BEGUN_HERE = "not_begun_here"
    OTHER_STATE = "other_state"
    NOT_AUTHORISED = "not_authorised"
    GRANT_UNUSABLE = "grant_unusable"
    SCOPES_LACKING = "scopes_lacking"
    NO_PATIENT = "no_patient"
    RECORD_NOT_READ = "record_not_read"
    OTHER_PATIENT = "other_patient"
    NO_DIAGNOSIS = "no_diagnosis"


class LaunchFailed(Exception):
    """A launch cannot go on.

    Attributes
    ----------
    why : Why
    names : tuple of str
        Scopes or kinds of data of our own vocabulary that are lacking; never a word of the record system.
    """

    def __init__(self, why: Why, names: tuple[str, ...] = ()) -> None:
        super().__init__(why.value)
        self.why = why
        self.names = names


_TEXTS: dict[str, dict[Why, str]] = {
    "en": {
        Why.NO_LAUNCH_PARAMETER: "The launch does not say from where it comes: the launch parameter is missing.",
        Why.ISSUER_NOT_LISTED: "The record system is not on the list of those that may open the viewer.",
        Why.ENDPOINTS_NOT_SAFE: "The record system does not say where it authorises, or not safely.",
        Why.NO_PKCE: "The record system does not support PKCE with S256.",
        Why.NOT_REACHED: "The record system cannot be reached.",
        Why.REFUSED: "The record system refused.",
        Why.NOT_BEGUN_HERE: "This launch was not begun in this browser, or too long ago: launch again.",
        Why.OTHER_STATE: "This answer does not belong to the launch that was begun: launch again.",
        Why.NOT_AUTHORISED: "The authorisation server did not allow the record to be read.",
        Why.GRANT_UNUSABLE: "The record system gave no usable token.",
        Why.SCOPES_LACKING: "The record system did not grant what is needed: {names}.",
        Why.NO_PATIENT: "The record system did not say which patient is open.",
        Why.RECORD_NOT_READ: "The record could not be read: {names}.",
        Why.OTHER_PATIENT: "The record system sent another patient.",
        Why.NO_DIAGNOSIS: "The record holds no diagnosis of multiple sclerosis.",
    },
    "fr": {
        Why.NO_LAUNCH_PARAMETER: "Le lancement ne dit pas d'où il vient : le paramètre launch manque.",
        Why.ISSUER_NOT_LISTED: "Ce dossier médical n'est pas de ceux qui peuvent ouvrir la visionneuse.",
        Why.ENDPOINTS_NOT_SAFE: "Le dossier médical ne dit pas où il autorise, ou pas de façon sûre.",
        Why.NO_PKCE: "Le dossier médical ne prend pas en charge PKCE avec S256.",
        Why.NOT_REACHED: "Le dossier médical est injoignable.",
        Why.REFUSED: "Le dossier médical a refusé.",
        Why.NOT_BEGUN_HERE: "Ce lancement n'a pas commencé dans ce navigateur, ou il y a trop longtemps : relancez.",
        Why.OTHER_STATE: "Cette réponse n'est pas celle du lancement commencé : relancez.",
        Why.NOT_AUTHORISED: "Le serveur d'autorisation n'a pas permis la lecture du dossier.",
        Why.GRANT_UNUSABLE: "Le dossier médical n'a pas donné de jeton utilisable.",
        Why.SCOPES_LACKING: "Le dossier médical n'a pas accordé ce qu'il faut : {names}.",
        Why.NO_PATIENT: "Le dossier médical n'a pas dit quel patient est ouvert.",
        Why.RECORD_NOT_READ: "Le dossier n'a pas pu être lu : {names}.",
        Why.OTHER_PATIENT: "Le dossier médical a envoyé un autre patient.",
        Why.NO_DIAGNOSIS: "Le dossier ne contient pas de diagnostic de sclérose en plaques.",
    },
}
_AROUND = {
    "en": ("The viewer could not be opened", "Open it without a patient"),
    "fr": ("La visionneuse n'a pas pu être ouverte", "L'ouvrir sans patient"),
}
_PAGE = """<!doctype html><html lang="{language}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{title}</title>
<style>body{{font:16px/1.6 system-ui,sans-serif;max-width:42rem;margin:4rem auto;padding:0 1rem}}</style>
<main><h1>{title}</h1><p>{reason}</p>
<p><a href="/viewer/">{without}</a></p></main></html>"""


def refusal_page(failed: LaunchFailed, language: str) -> str:
    """Return the page that says why, in ``en`` or ``fr``."""
    title, without = _AROUND[language]
    reason = _TEXTS[language][failed.why].format(names=", ".join(failed.names))
    return _PAGE.format(language=language, title=title, reason=html.escape(reason), without=without)
