"""Whom the doors for clinical systems trust: the environment (``CDSS_EHR_...``) and one file of partners."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from cdss.settings import Settings
from reference_db.errors import FieldProblem, InvalidInput

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def is_loopback(url: str) -> bool:
    """Tell whether a URL names this machine."""
    return urlsplit(url).hostname in LOOPBACK


def _secure_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("must be an absolute URL, without user, query or fragment")
    if parts.scheme == "http" and not is_loopback(url):
        raise ValueError("must be https, unless it is on this machine")
    return url.rstrip("/")


def _origin(url: str) -> str:
    parts = urlsplit(_secure_url(url))
    if parts.path not in ("", "/"):
        raise ValueError("must be an origin: scheme, name and port only")
    return f"{parts.scheme}://{parts.netloc}"


Url = Annotated[str, AfterValidator(_secure_url)]
Origin = Annotated[str, AfterValidator(_origin)]
_STRICT = ConfigDict(frozen=True, extra="forbid")


class CdsClient(BaseModel):
    """A clinical system that may call the decision support services.

    Attributes
    ----------
    issuer : str
        The ``iss`` of its tokens, exactly.
    jwks_url : str or None
        Where it publishes its keys; the only ``jku`` that is accepted from it.
    jwks : dict or None
        Its keys, where they were handed over otherwise.
    """

    model_config = _STRICT

    issuer: str = Field(min_length=1)
    jwks_url: Url | None = None
    jwks: dict[str, Any] | None = None


class SmartIssuer(BaseModel):
    """A FHIR server from which the viewer may be launched.

    Attributes
    ----------
    issuer : str
        Its base URL: the ``iss`` of a launch, and the ``aud`` of the authorisation.
    client_id : str
        Under which this application is registered there.
    """

    model_config = _STRICT

    issuer: Url
    client_id: str = Field(min_length=1)


class MachineClient(BaseModel):
    """A programme that gets access tokens of ours by signed assertions (SMART backend services).

    Attributes
    ----------
    client_id : str
    jwks_url, jwks
        Its public keys, by address or by value.
    scopes : tuple of str
        What it may ask for.
    """

    model_config = _STRICT

    client_id: str = Field(min_length=1)
    jwks_url: Url | None = None
    jwks: dict[str, Any] | None = None
    scopes: tuple[str, ...] = ("system/RiskAssessment.c", "system/DocumentReference.c")


class Partners(BaseModel):
    """The file of partners."""

    model_config = _STRICT

    cds_clients: tuple[CdsClient, ...] = ()
    fhir_servers: tuple[Url, ...] = ()
    cors_origins: tuple[Origin, ...] = ()
    smart_issuers: tuple[SmartIssuer, ...] = ()
    machine_clients: tuple[MachineClient, ...] = ()


class EhrSettings(BaseSettings):
    """What an installation chooses for its clinical systems."""

    model_config = SettingsConfigDict(env_prefix="CDSS_EHR_", env_file=".env", extra="ignore", frozen=True)

    profile: Literal["strict", "dev"] = Field(
        default="strict", description="`dev` opens the doors to sandboxes on this machine, and says so at start."
    )
    public_url: Url | None = Field(default=None, description="Base URL by which clinical systems reach the service.")
    partners: Path | None = Field(default=None, description="YAML file that names the clinical systems.")


class EhrConfiguration(BaseModel):
    """Everything that the doors for clinical systems are told, validated.

    Attributes
    ----------
    public_url : str
        Base URL, without a final slash: the audience of tokens and the root of every link.
    dev : bool
    partners : Partners
    """

    model_config = _STRICT

    public_url: Url
    dev: bool = False
    partners: Partners = Partners()

    def may_read(self, fhir_server: str) -> bool:
        """Tell whether a FHIR server may be read from."""
        server = fhir_server.rstrip("/")
        return server in self.partners.fhir_servers or (self.dev and is_loopback(server))

    def smart_issuer(self, issuer: str) -> SmartIssuer | None:
        """Return the registration with a FHIR server; None when it is not trusted."""
        base = issuer.rstrip("/")
        known = next((one for one in self.partners.smart_issuers if one.issuer == base), None)
        if known is None and self.dev and is_loopback(base):
            return SmartIssuer(issuer=base, client_id="ms-cdss")
        return known

    def trusted_in_words(self) -> tuple[str, ...]:
        """Return what the ``dev`` profile lets in beyond the file of partners; empty under the strict one."""
        if not self.dev:
            return ()
        return (
            "CDS Hooks calls without a token",
            "tokens of any issuer whose key set is published on this machine",
            "browsers of any origin",
            "FHIR servers and SMART launches on this machine",
            "FHIR operations without a token",
        )


def ehr_configuration(settings: Settings, given: EhrSettings | None = None) -> EhrConfiguration:
    """Read the configuration.

    Parameters
    ----------
    settings : Settings
        Of the service; its address is the public one by default.
    given : EhrSettings, optional
        By default from the environment.

    Raises
    ------
    InvalidInput
        Naming what cannot be used, with the file or environment variable.
    """
    try:
        chosen = given or EhrSettings()
    except ValidationError as error:
        raise InvalidInput(
            [FieldProblem(f"CDSS_EHR_{_path(e['loc']).upper()}", e["msg"]) for e in error.errors()]
        ) from error
    scheme = "https" if settings.secure else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    public_url = chosen.public_url or f"{scheme}://{host}:{settings.port}"
    if chosen.profile == "dev" and not settings.loopback:
        raise InvalidInput.of(
            "CDSS_EHR_PROFILE", f"dev is for this machine only, and {settings.host} is not loopback", "strict"
        )
    try:
        return EhrConfiguration(
            public_url=public_url, dev=chosen.profile == "dev", partners=_partners(chosen.partners)
        )
    except ValidationError as error:
        raise InvalidInput.of(
            "CDSS_EHR_PUBLIC_URL", error.errors()[0]["msg"], "https://name[:port][/path]"
        ) from error


def _partners(path: Path | None) -> Partners:
    if path is None:
        return Partners()
    try:
        return Partners.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except OSError as error:
        raise InvalidInput.of(
            "CDSS_EHR_PARTNERS", f"{path} cannot be read: {error.strerror}", "a YAML file"
        ) from error
    except yaml.YAMLError as error:
        raise InvalidInput.of("CDSS_EHR_PARTNERS", f"{path} is not YAML", "a YAML file") from error
    except ValidationError as error:
        raise InvalidInput(
            [FieldProblem(f"{path.name}: {_path(e['loc'])}", e["msg"]) for e in error.errors()]
        ) from error


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)
