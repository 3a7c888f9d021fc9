"""The language that a browser or a programme asks for."""

from __future__ import annotations

LANGUAGES = ("en", "fr")


def language_asked(accept: str | None) -> str:
    """Return the language of an ``Accept-Language`` header that we have; English otherwise.

    >>> language_asked("de, fr-CH;q=0.9, en;q=0.8"), language_asked("fr;q=0, en"), language_asked(None)
    ('fr', 'en', 'en')
    """
    wishes: list[tuple[float, str]] = []
    for wish in (accept or "").split(",")[:20]:
        name, _, rest = wish.strip().partition(";")
        try:
            quality = float(rest.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        language = name[:2].lower()
        if language in LANGUAGES and quality > 0:
            wishes.append((-quality, language))
    return min(wishes, key=lambda wish: wish[0])[1] if wishes else "en"
