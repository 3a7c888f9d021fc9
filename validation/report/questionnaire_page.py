"""The questionnaire as one HTML page that needs nothing beside it and sends nothing anywhere."""

from __future__ import annotations

from html import escape
from importlib import resources

from validation.questionnaire import ORIGINAL, SYNTHETIC, Card

_SCRIPT = """
document.getElementById("save").addEventListener("click", () => {
  const calls = {};
  for (const input of document.querySelectorAll("input:checked")) calls[input.name] = input.value;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(calls)], {type: "application/json"}));
  link.download = "answers.json";
  link.click();
});
"""


def questionnaire_page(cards: tuple[Card, ...], release: str) -> str:
    """Return the page: one form per record, answers saved to a file by the reader's browser.

    Parameters
    ----------
    cards : tuple of Card
    release : str
        Version of the release the synthetic records come from.
    """
    style = resources.files("validation.report").joinpath("report.css").read_text(encoding="utf-8")
    forms = "\n".join(_form(card) for card in cards)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Original or synthetic?</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>Original or synthetic?</h1>
<p>{len(cards)} records, half of them synthetic (release {escape(release)}), in random order. Call each one, then save
your answers. Some of the records are of patients: this page stays with those who may see them.</p>
{forms}
<p><button id="save" type="button">Save the answers</button></p>
</main>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _form(card: Card) -> str:
    baseline = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v) or '–'}</td></tr>" for k, v in card.baseline.items())
    columns = list(card.course[0]) if card.course else []
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(row[column]) or '–'}</td>" for column in columns) + "</tr>"
        for row in card.course
    )
    calls = "".join(
        f'<label><input type="radio" name="{card.number}" value="{call}"> {call}</label> '
        for call in (ORIGINAL, SYNTHETIC)
    )
    return (
        f"<section><h2>Record {card.number}</h2><table>{baseline}</table><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table><fieldset><legend>This record is</legend>{calls}</fieldset></section>"
    )
