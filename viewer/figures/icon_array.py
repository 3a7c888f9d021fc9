"""A hundred people as a picture: how many of them had an event, and how sure that number is."""

from __future__ import annotations

from urllib.parse import quote

from viewer.figures.style import Theme

PER_ROW, SPACING_X, SPACING_Y = 10, 20, 26
PERSON = (
    "M6 0a3.6 3.6 0 1 1 0 7.2A3.6 3.6 0 1 1 6 0zM2.2 8.4h7.6a2 2 0 0 1 2 2v5.4H9.9V22H2.1v-6.2H.2v-5.4a2 2 0 0 1 2-2z"
)


def icon_array(event: int, theme: Theme, *, colour: str, likely: tuple[int, int] | None = None) -> str:
    """Draw one hundred people, those with the event first.

    Parameters
    ----------
    event : int
        How many of the hundred had the event.
    theme : Theme
    colour : str
        Of those who had it, as ``#rrggbb``.
    likely : (int, int), optional
        Smallest and largest number that the data leave likely: people between the smallest and `event` are drawn
        paler, those up to the largest as outlines.

    Returns
    -------
    str
        An SVG picture as a data address.
    """
    surely, possibly = likely if likely is not None else (event, event)
    # Solid: had it at least; paler: up to the estimate; outline: possibly.
    people = []
    for number in range(100):
        row, column = divmod(number, PER_ROW)
        if number < surely:
            look = f'fill="{colour}"'
        elif number < event:
            look = f'fill="{colour}" fill-opacity=".6"'
        elif number < possibly:
            look = f'fill="{colour}" fill-opacity=".12" stroke="{colour}" stroke-width="1.2"'
        else:
            look = f'fill="{theme.soft_ink}" fill-opacity=".3"'
        people.append(
            f'<path transform="translate({column * SPACING_X + 3} {row * SPACING_Y + 2})" d="{PERSON}" {look}/>'
        )
    width, height = PER_ROW * SPACING_X, 100 // PER_ROW * SPACING_Y
    picture = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">{"".join(people)}</svg>'
    return f"data:image/svg+xml,{quote(picture)}"
