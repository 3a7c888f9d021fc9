"""Weights of columns, as they are typed."""

from __future__ import annotations

from collections.abc import Sequence

from reference_db.errors import FieldProblem, InvalidInput


def read_weights(given: Sequence[str]) -> dict[str, float]:
    """Return the weights of ``COLUMN=NUMBER`` entries, several in one text separated by commas.

    Raises
    ------
    InvalidInput
        Naming each entry that cannot be read.

    Examples
    --------
    >>> read_weights(["age=2,edss_0=1.5"])
    {'age': 2.0, 'edss_0': 1.5}
    """
    weights, problems = {}, []
    for entry in (part.strip() for text in given for part in text.split(",") if part.strip()):
        name, _, number = entry.rpartition("=")
        try:
            weights[name] = float(number)
        except ValueError:
            problems.append(FieldProblem("weights", f"{entry} cannot be read", "COLUMN=NUMBER, such as age=2"))
    if problems:
        raise InvalidInput(problems)
    return weights
