"""Commands that start the service."""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from cdss.settings import Settings, settings
from reference_db.errors import CdssError, ReleaseError
from reference_db.release import active_release, verify_release

app = typer.Typer()

GRACE_SECONDS = 20
"""How long requests that are being answered may take once the service is told to stop."""

_Host = Annotated[str | None, typer.Option(help="Address to listen on; loopback by default.")]
_Port = Annotated[int | None, typer.Option(help="TCP port; 8000 by default.", min=1, max=65535)]


@app.command()
def serve(
    host: _Host = None,
    port: _Port = None,
    release: Annotated[str | None, typer.Option(help="Version to serve; the active one by default.")] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes that answer, sharing one release in memory; 1 by default.", min=1, max=64),
    ] = None,
) -> None:
    """Serve the HTTP interface and the viewer on one port."""
    _serve(_chosen(host=host, port=port, release=release, workers=workers))


@app.command()
def demo(host: _Host = None, port: _Port = None) -> None:
    """Build the default release if there is none, then serve it and say where."""
    from cdss.cli.database import build_and_activate

    chosen = _chosen(host=host, port=port)
    if not _has_usable_release(chosen):
        typer.echo("No release yet: building the default one.", err=True)
        manifest = build_and_activate()
        if manifest.reasons:
            raise CdssError(f"release {manifest.version} is in quarantine: {'; '.join(manifest.reasons)}")
    _serve(chosen)


def _chosen(
    *, host: str | None = None, port: int | None = None, release: str | None = None, workers: int | None = None
) -> Settings:
    given = {"host": host, "port": port, "release": release, "workers": workers}
    return settings().model_copy(update={name: value for name, value in given.items() if value is not None})


def _has_usable_release(chosen: Settings) -> bool:
    path = active_release(chosen.releases)
    if path is None:
        return False
    try:
        verify_release(path)
    except ReleaseError as error:
        typer.echo(f"{error}", err=True)
        return False
    return True


def _serve(chosen: Settings) -> None:
    # One thread for linear algebra: a second one slows a single query down and lengthens the slowest ones.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from threadpoolctl import threadpool_limits

    from cdss.security.exposure import check_exposure

    # Libraries that are loaded already have read the environment before.
    threadpool_limits(limits=int(os.environ["OMP_NUM_THREADS"]))

    check_exposure(chosen)
    with TemporaryDirectory(prefix="cdss-metrics-") as folder:
        if chosen.workers > 1:
            # Read when the measures are imported: the processes add up what they count in files of this folder.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        _answer(chosen)


def _answer(chosen: Settings) -> None:
    import uvicorn

    from cdss.app import create_app
    from cdss.logs import configure_logs
    from cdss.workers import Workers, listen

    configure_logs()
    service = create_app(chosen)
    scheme = "http" if chosen.tls_certificate is None else "https"
    address = f"{scheme}://{f'[{chosen.host}]' if ':' in chosen.host else chosen.host}:{chosen.port}"
    try:
        service.warm_up()
        # What was opened stays: a collector that walks it again and again takes a fifth of the time of an answer, and
        # processes that share it would each make a copy.
        gc.collect()
        gc.freeze()
    except ReleaseError as error:
        typer.echo(f"{error}\nServing without a release; {address}/readyz says when one can be used.", err=True)
    typer.echo(f"Viewer          {address}/viewer/\nHTTP interface  {address}/docs")
    reached = "this machine only (loopback), without a login" if not chosen.login_required else "callers with a login"
    typer.echo(f"Reached by      {reached}")
    if service.trusts_unproven:
        typer.echo(f"SANDBOX (profile dev), never with a real record. Lets in: {'; '.join(service.trusts_unproven)}")
    typer.echo("Stop with Ctrl-C.")
    server = uvicorn.Config(
        service,
        host=chosen.host,
        port=chosen.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=chosen.behind_proxy is not None,
        forwarded_allow_ips=chosen.behind_proxy,
        ssl_certfile=chosen.tls_certificate,
        ssl_keyfile=chosen.tls_key,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    if chosen.workers == 1:
        service.finish_checks()
        with suppress(KeyboardInterrupt):
            uvicorn.Server(server).run()
        return
    try:
        listener = listen(chosen.host, chosen.port)
    except OSError as error:
        raise CdssError(f"{address} cannot be listened on: {error.strerror}") from error

    def answer(place: int) -> None:
        service.after_fork(first=place == 0)
        uvicorn.Server(server).run(sockets=[listener])

    Workers(chosen.workers, answer, grace=GRACE_SECONDS).run()
