"""Tables that are hard to anonymise: the default against the published method, and what `cdss privacy` says of it.

    python benchmarks/odd_tables.py [seed]

Membership is the area under the ROC curve in rehearsals with 30 % held out; utility is that of the whole table.
"""

import sys

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from reference_db import assess_privacy
from reference_db.avatar import REFERENCE, RELEASE, Method, make_avatars
from reference_db.avatar.columns import read_columns
from reference_db.avatar.stratum import rehearsed_membership
from reference_db.avatar.utility import utility


def factors(rows: int, columns: int, count: int, noise: float, rng: np.random.Generator) -> pd.DataFrame:
    """Numbers that rest on a few common factors."""
    values = rng.normal(size=(rows, count)) @ rng.normal(size=(count, columns))
    return pd.DataFrame(values + noise * rng.normal(size=(rows, columns))).add_prefix("x")


def labels(numbers: pd.DataFrame, levels: int) -> pd.DataFrame:
    """Each number cut into levels, as text."""
    return numbers.apply(lambda column: pd.qcut(column, levels, labels=False)).astype(int).map(lambda i: f"level {i}")


def tables(rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Make the tables, by name."""
    plain = factors(500, 8, 3, 1.0, rng)
    sparse = factors(600, 10, 3, 1.0, rng)
    sparse = sparse.mask(rng.random(sparse.shape) < 0.8)
    dates = factors(500, 4, 2, 1.0, rng)
    dates["first"] = pd.Timestamp("2010-01-01") + pd.to_timedelta((1000 + 300 * dates["x0"]).round(), unit="D")
    dates["second"] = (dates["first"] + pd.Timedelta(200, "D")).mask(rng.random(500) < 0.3)
    twice = plain.assign(again=plain["x0"], constant=1, empty=np.nan)
    follows = plain.assign(sum=plain["x0"] + plain["x1"], sign=np.where(plain["x2"] > 0, "plus", "minus"))
    many = factors(800, 4, 2, 1.0, rng)
    many = many.assign(town=labels(many[["x0"]], 60)["x0"], street=labels(many[["x1"]], 90)["x1"])
    counts = pd.DataFrame({"age": rng.normal(40, 10, 600).round(), "score": rng.normal(size=600)})
    counts = counts.assign(rare=rng.poisson(0.1, 600), rarer=rng.poisson(np.exp(counts["score"] - 3)))
    diagnosis = factors(500, 6, 2, 0.5, rng)
    diagnosis["case"] = np.where(diagnosis["x0"] + diagnosis["x1"] + 0.3 * rng.normal(size=500) > 0, "yes", "no")
    return {
        "60 rows, 8 columns": factors(60, 8, 3, 1.0, rng),
        "120 rows": factors(120, 8, 3, 1.0, rng),
        "300 rows": factors(300, 8, 3, 1.0, rng),
        "400 rows, 120 columns of 8 factors": factors(400, 120, 8, 1.0, rng),
        "14 labels of five levels, 4 factors": labels(factors(600, 14, 4, 0.5, rng), 5),
        "14 labels of two levels, 4 factors": labels(factors(600, 14, 4, 0.5, rng), 2),
        "80 % of the cells missing": sparse,
        "log-normal": np.exp(1.5 * factors(500, 8, 3, 1.0, rng)),
        "two columns of dates, one with gaps": dates,
        "columns twice, constant, empty": twice,
        "labels of 60 and 90 levels": many,
        "a column and a label that follow from others": follows,
        "four columns, two of them rare counts": counts,
        "a diagnosis that everything points to": diagnosis,
    }


def measured(table: pd.DataFrame, method: Method, k: int | None) -> tuple[str, float, float, float, float]:
    made = make_avatars(table, k=k, ncp=5, rng=np.random.default_rng(1), method=method)
    chosen = made.neighbours["all"]
    columns = read_columns(table)
    area = rehearsed_membership(
        columns.encode(table), columns, k=chosen, ncp=5, weights=None, method=method, rng=np.random.default_rng(2)
    )
    kept = utility(table, made.table)
    verdict = f"k = {chosen}"
    if k is None:
        assessment = assess_privacy(table, made.table, rng=np.random.default_rng(3))
        verdict += ", passes" if assessment.passed else "; ".join(["", *assessment.failures])
        verdict += "".join(f"; not reached at any number: {missed}" for missed in made.missed.get("all", ()))
    return verdict, area, kept.hellinger, kept.correlation_difference, kept.spread_ratio


def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    made = tables(np.random.default_rng(seed))
    jobs = [(table, *way) for table in made.values() for way in ((RELEASE, None), (REFERENCE, 20))]
    found = Parallel(n_jobs=2)(delayed(measured)(*job) for job in jobs)
    print(f"{'':46s} {'membership':>15s} {'Hellinger':>15s} {'correlations':>15s} {'spread':>15s}")
    for name, default, published in zip(made, found[0::2], found[1::2], strict=True):
        figures = (f"{ours:.3f} ({theirs:.3f})" for ours, theirs in zip(default[1:], published[1:], strict=True))
        print(f"{name:46s}", *(f"{figure:>15s}" for figure in figures), f" {default[0]}")


if __name__ == "__main__":
    main()
