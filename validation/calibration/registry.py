"""The registries' side of the calibration: the class table of active disease."""

from __future__ import annotations

import pandas as pd

from reference_db.harmonise import episodes
from reference_db.sources.simulated import SimulatedSources
from reference_db.sources.simulated.designs import arms, registry_classes, sources
from reference_db.vocabulary import ACTIVE_TREATMENTS, SourceKind

MOTHER_COHORT = "OFSEP"


def class_table(simulated: SimulatedSources) -> pd.DataFrame:
    """Return patients with active disease per class: trial arms whole, registry patients with activity at baseline.

    Returns
    -------
    DataFrame
        Per class: ``treatment``, ``listed`` (trials and the high-definition cohort) and ``simulated``, then the same
        with the mother cohort; a last row sums.
    """
    table = episodes(simulated.tables, simulated.sources)
    active = (table["relapses_12m"] >= 1).fillna(False) | (table["gd_lesions"] >= 1).fillna(False)
    counted = table[(table["source_kind"] == SourceKind.TRIAL.value) | active]
    registries = [source.name for source in sources() if source.kind is SourceKind.REGISTRY]
    rows = []
    for treatment in ACTIVE_TREATMENTS:
        of_class = counted[counted["treatment"] == treatment.value]
        trials = sum(arm.n for arm in arms() if arm.treatment is treatment)
        listed = {name: registry_classes(name)[treatment][0] for name in registries}
        rows.append(
            {
                "treatment": treatment.value,
                "listed": trials + sum(n for name, n in listed.items() if name != MOTHER_COHORT),
                "simulated": int((of_class["source"] != MOTHER_COHORT).sum()),
                "listed with mother cohort": trials + sum(listed.values()),
                "simulated with mother cohort": len(of_class),
            }
        )
    result = pd.DataFrame(rows)
    total = result.drop(columns="treatment").sum().to_dict()
    return pd.concat([result, pd.DataFrame([{"treatment": "all", **total}])], ignore_index=True)
