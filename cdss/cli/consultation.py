"""Commands that answer for one patient of interest."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from reference_db.errors import InvalidInput

app = typer.Typer()


@app.command()
def project(
    poi: Annotated[str, typer.Argument(metavar="POI.json", help="The patient of interest; - reads standard input.")],
    classes: Annotated[
        str | None, typer.Option(help="Treatment classes, molecules, brands or ATC codes, separated by commas.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Weights of features, such as age=2,gd_lesions=0; the others keep theirs.")
    ] = None,
    k: Annotated[int | None, typer.Option("--k", help="Patients of reference per class.")] = None,
    estimator: Annotated[str, typer.Option(help="corrected, local or plain.")] = "corrected",
    baselines: Annotated[
        str,
        typer.Option(
            help="When patients of reference are compared: start (of the treatment) or every_visit (any yearly one)."
        ),
    ] = "start",
    engine: Annotated[
        str,
        typer.Option(
            help="Patients of reference, or a model to compare with, such as ridge or Cox; models state no intervals."
        ),
    ] = "patients of reference",
    release: Annotated[str | None, typer.Option(help="Version to use; the active one by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Save the figures to this PNG or SVG file.")] = None,
) -> None:
    """Show what became of the patients most like one patient, under each treatment."""
    from cdss.reference import Reference
    from cdss.settings import settings
    from selection import parse_criteria, parse_patient

    patient = parse_patient(_read(poi))
    wanted = None if classes is None else [name.strip() for name in classes.split(",") if name.strip()]
    own_weights = None if weights is None else _weights(weights)
    if plot is not None and plot.suffix.lower() not in (".png", ".svg"):
        raise InvalidInput.of("--plot", f"{plot.name} has no known ending", ".png or .svg")
    chosen = settings() if release is None else settings().model_copy(update={"release": release})
    source = Reference(chosen).release_path_or_error()
    if engine == "patients of reference":
        from projection.disclosure import DisclosedProjector

        answer = DisclosedProjector(source).project(
            patient,
            k=k,
            weights=own_weights,
            classes=wanted,
            criteria=parse_criteria({"baselines": baselines}),
            estimator=estimator,
        )
    else:
        from projection.engines import ModelProjector

        if k is not None or own_weights is not None or (estimator, baselines) != ("corrected", "start"):
            raise InvalidInput.of(
                "--engine", f"{engine} is a model: --k, --weights, --estimator and --baselines do not apply"
            )
        answer = ModelProjector(source, engine, disclosed=True).project(patient, classes=wanted)
    if as_json:
        import orjson

        sys.stdout.buffer.write(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE))
    else:
        from cdss.cli.projection_table import print_projection

        print_projection(answer)
    if plot is not None:
        from cdss.cli.projection_plot import save_figures

        save_figures(answer, plot)


def _read(source: str) -> Any:  # noqa: ANN401 - parsed JSON can be anything; parse_patient checks it
    import orjson

    try:
        content = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise InvalidInput.of("POI.json", f"{source} cannot be read: {error.strerror}") from error
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InvalidInput.of("POI.json", f"{source} is not JSON: {error}") from error


def _weights(text: str) -> dict[str, float]:
    weights = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        try:
            weights[name.strip()] = float(value)
        except ValueError as error:
            raise InvalidInput.of("--weights", f"{part!r} is not feature=number", "such as age=2,sex=0") from error
    return weights
