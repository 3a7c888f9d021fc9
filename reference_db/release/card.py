"""The data set card of a release: what a person reads before using it."""

from __future__ import annotations

import pandas as pd

from reference_db.release.manifest import ReleaseContent, Status
from reference_db.small_cells import SMALL_CELL, is_shown


def data_set_card(episodes: pd.DataFrame, content: ReleaseContent) -> str:
    """Return the card of a release as Markdown.

    Parameters
    ----------
    episodes : DataFrame
        The synthetic episodes.
    content : ReleaseContent
        How they were made and assessed.
    """
    sizes = pd.crosstab(episodes["source"], episodes["treatment"], margins=True, margins_name="all")
    shown = sizes.astype(str).mask((sizes > 0) & ~is_shown(sizes), f"<{SMALL_CELL}")
    lines = [
        f"| {' | '.join([source, *cells])} |" for source, cells in zip(shown.index, shown.to_numpy(), strict=True)
    ]
    table = "\n".join(
        [f"| source | {' | '.join(sizes.columns)} |", "|---" + "|---:" * len(sizes.columns) + "|", *lines]
    )
    labels = "\n".join(f"- {source.name}: {source.label} ({source.kind})" for source in content.sources)
    verdict = (
        "Every target of the privacy assessment is met."
        if content.status is Status.USABLE
        else "**In quarantine.** Targets missed:\n\n" + "\n".join(f"- {reason}" for reason in content.reasons)
    )
    return f"""# Anonymous synthetic reference database for multiple sclerosis

{len(episodes):,} synthetic patients, each made around one original record by the Avatar method (Guillaudeux et al.,
npj Digit Med 2023, doi 10.1038/s41746-023-00771-5). No row is a person. The rows are in random order.

## Use

Made to show what became of patients similar to a given one under each treatment. It describes and does not prove
cause: registry patients were treated by indication. It is a research prototype, not a medical device. Analyses must
not count synthetic patients as observed ones beyond the number of originals.

## Sources

{labels}

## Patients by source and treatment

{table}

## Privacy

{verdict} The assessment, metric by metric, stands in `manifest.json`.

## Making

Seed {content.seed}; the parameters stand in `manifest.json`. The same inputs and seed give the same files.
"""
