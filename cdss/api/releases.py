"""The frozen releases: what each holds and whether it may be served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool

from cdss.api.dependencies import reference
from cdss.errors import NotFound
from cdss.reference import Reference
from reference_db.errors import ReleaseCorrupted
from reference_db.release import Manifest, list_releases, verify_release

router = APIRouter(tags=["reference database"])

_Reference = Annotated[Reference, Depends(reference)]


@router.get("/releases")
async def list_all(reference: _Reference) -> list[dict[str, Any]]:
    """List the releases: version, status and size. A damaged one is listed as corrupted."""
    return await run_in_threadpool(lambda: [_summary(path) for path in list_releases(reference.settings.releases)])


@router.get(
    "/releases/{version}", responses={404: {"description": "There is no release of that version (RFC 9457)."}}
)
async def show(version: str, reference: _Reference) -> Manifest:
    """Return the manifest of a release: how it was made, its hashes and its privacy assessment.

    Of the folder of the originals only the name is told.
    """
    known = {path.name: path for path in list_releases(reference.settings.releases)}
    if version not in known:
        raise NotFound("there is no release of that version; /api/v1/releases lists them")
    return _without_folder(await run_in_threadpool(verify_release, known[version]))


def _without_folder(manifest: Manifest) -> Manifest:
    """Return a manifest that does not tell where on this machine the originals are."""
    if "bkp" not in manifest.parameters:
        return manifest
    named = {"bkp": Path(str(manifest.parameters["bkp"])).name}
    return manifest.model_copy(update={"parameters": {**manifest.parameters, **named}})


def _summary(path: Path) -> dict[str, Any]:
    try:
        manifest = verify_release(path)
    except ReleaseCorrupted:
        return {"version": path.name, "status": "corrupted"}
    return {
        "version": manifest.version,
        "status": manifest.status,
        "created": manifest.created.isoformat(),
        "patients": manifest.row_counts["episodes"],
        "reasons": list(manifest.reasons),
    }
