"""Published figures of prognostic models in multiple sclerosis, to stand beside those of a release."""

from __future__ import annotations

from collections.abc import Mapping

from validation.result import Record, Records

CAVEAT = "on other data and other definitions: not comparable in level"

PUBLISHED: tuple[tuple[str, str, str, str], ...] = (
    (
        "relapse",
        "concordance",
        "0.608",
        "Stühler et al., as reported by the replication below (BMC Med Res Methodol 2024, "
        "doi 10.1186/s12874-024-02264-9)",
    ),
    ("relapse", "concordance", "0.639", "replication in OFSEP, n = 3,768 (doi 10.1186/s12874-024-02264-9)"),
    ("relapse", "concordance", "0.65", "Chalkou et al., Diagn Progn Res 2021;5:17, doi 10.1186/s41512-021-00106-6"),
    ("relapse", "slope", "0.92", "Chalkou et al., Diagn Progn Res 2021;5:17, doi 10.1186/s41512-021-00106-6"),
    (
        "worsening_24w",
        "concordance",
        "0.554",
        "Stühler et al., as reported by the replication below (BMC Med Res Methodol 2024, "
        "doi 10.1186/s12874-024-02264-9)",
    ),
    ("worsening_24w", "concordance", "0.777", "replication in OFSEP, n = 3,768 (doi 10.1186/s12874-024-02264-9)"),
    (
        "worsening_24w",
        "auc",
        "0.71",
        "MSBase, n = 15,240: De Brouwer et al., PLOS Digit Health 2024;3(7):e0000533, "
        "doi 10.1371/journal.pdig.0000533",
    ),
)
"""Endpoint, figure, published value and source of prognostic models in multiple sclerosis."""


def beside_published(own: Mapping[str, Record]) -> tuple[Record, ...]:
    """Return published figures of prognostic models with the same figure of this release beside.

    Parameters
    ----------
    own : mapping of str to record
        Scores of this release by endpoint.
    """
    records = Records()
    for endpoint, figure, published, source in PUBLISHED:
        records.add(
            endpoint=endpoint,
            figure=figure,
            published=published,
            here=own.get(endpoint, {}).get(figure),
            source=source,
            caveat=CAVEAT,
        )
    return records.done()
