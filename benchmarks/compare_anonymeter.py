"""Risks and time of the attacks, next to those of anonymeter, on the same avatars and held-out records.

anonymeter needs an older numpy, so it gets an environment of its own, made on first use in benchmarks/.anonymeter.

    python benchmarks/compare_anonymeter.py [table.csv]
"""

import json
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import numpy as np
import pandas as pd

from reference_db.avatar import REFERENCE, RELEASE, Method, avatarize
from reference_db.avatar.columns import read_columns
from reference_db.privacy.attacks import Scene, run_attacks

ENVIRONMENT = Path(__file__).parent / ".anonymeter"
REQUIREMENT = "anonymeter==1.1.0"

PEER = """
import json, sys, time, warnings
import pandas as pd
from anonymeter.evaluators import InferenceEvaluator, LinkabilityEvaluator, SinglingOutEvaluator
warnings.simplefilter("ignore")
folder, attempts = sys.argv[1], int(sys.argv[2])
train, made, control = (pd.read_csv(f"{folder}/{name}.csv") for name in ("train", "made", "control"))
attempts = min(attempts, len(control))
columns, found = list(train.columns), {}

def tried(name, evaluate):
    begun = time.perf_counter()
    try:
        risk = evaluate()
    except RuntimeError as error:
        risk = str(error)
    found[name] = {"risk": risk, "seconds": time.perf_counter() - begun}

def risk(evaluator, **options):
    return evaluator.evaluate(**options).risk().value

tried("singling_out_univariate", lambda: risk(
    SinglingOutEvaluator(ori=train, syn=made, control=control, n_attacks=attempts), mode="univariate"))
tried("singling_out_multivariate", lambda: risk(
    SinglingOutEvaluator(ori=train, syn=made, control=control, n_attacks=attempts, n_cols=4), mode="multivariate"))
halves = (columns[: len(columns) // 2], columns[len(columns) // 2 :])
tried("linkability", lambda: risk(LinkabilityEvaluator(
    ori=train, syn=made, control=control, n_attacks=attempts, aux_cols=halves, n_neighbors=1)))

def inference():
    risks = [risk(InferenceEvaluator(ori=train, syn=made, control=control, n_attacks=attempts, secret=secret,
        aux_cols=[c for c in columns if c != secret], regression=pd.api.types.is_numeric_dtype(train[secret])))
        for secret in columns]
    return sum(risks) / len(risks)

tried("inference", inference)
print(json.dumps(found))
"""


def environment() -> Path:
    """Return the interpreter of anonymeter's environment, which is made when there is none."""
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / "made").exists():
        print(f"making {ENVIRONMENT} with {REQUIREMENT}", flush=True)
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", REQUIREMENT], check=True)
        (ENVIRONMENT / "made").touch()
    return python


def population(rows: int = 2000) -> pd.DataFrame:
    """Correlated numbers, counts and labels."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(rows, 4))
    table = pd.DataFrame(latent @ rng.normal(size=(4, 9)) + rng.normal(size=(rows, 9)), columns=list("abcdefghi"))
    table["visits"] = rng.poisson(np.exp(0.5 * latent[:, 0] + 1))
    for i in range(4):
        table[f"label {i}"] = np.array(["x", "y", "z"])[
            np.digitize(latent[:, i] + rng.normal(size=rows), [-0.7, 0.7])
        ]
    return table


def compare(name: str, train: pd.DataFrame, made: pd.DataFrame, control: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    columns = read_columns(train)
    begun = time.perf_counter()
    scene = Scene.of(columns, *(columns.encode(table) for table in (train, made, control)), rng)
    ours = {attack.name: attack for attack in run_attacks(scene, rng)}
    seconds = time.perf_counter() - begun
    with tempfile.TemporaryDirectory() as folder:
        for label, table in (("train", train), ("made", made), ("control", control)):
            table.to_csv(f"{folder}/{label}.csv", index=False)
        script = Path(folder) / "peer.py"
        script.write_text(PEER)
        ran = subprocess.run([environment(), script, folder, "500"], check=True, capture_output=True, text=True)
    theirs = json.loads(ran.stdout.splitlines()[-1])
    print(f"\n{name}: {len(train):,} originals, {len(control):,} held-out records, {train.shape[1]} columns")
    print(f"  {'attack':28s}{'risk here':>12s}{'anonymeter':>14s}{'its seconds':>14s}")
    for attack, found in theirs.items():
        risk = f"{found['risk']:.3f}" if isinstance(found["risk"], float) else "none possible"
        print(f"  {attack:28s}{ours[attack].risk.value:12.3f}{risk:>14s}{found['seconds']:14.1f}")
    whole = sum(found["seconds"] for found in theirs.values())
    print(f"  all seven attacks here {seconds:.1f} s, these four there {whole:.1f} s: {whole / seconds:.0f} times")


def main() -> None:
    table = pd.read_csv(sys.argv[1], sep=None, engine="python") if len(sys.argv) > 1 else population()
    shuffled = table.sample(frac=1, random_state=0).reset_index(drop=True)
    cut = round(0.7 * len(table))
    train, control = shuffled.iloc[:cut].reset_index(drop=True), shuffled.iloc[cut:].reset_index(drop=True)

    def made(method: Method) -> pd.DataFrame:
        return avatarize(train, k=20, ncp=5, rng=np.random.default_rng(1), method=method)

    compare("a copy", train, train.copy(), control)
    compare("reference method", train, made(REFERENCE), control)
    compare("release method", train, made(RELEASE), control)


if __name__ == "__main__":
    main()
