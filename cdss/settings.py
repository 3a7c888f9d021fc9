"""The settings of the service, from the environment (``CDSS_...``) and a ``.env`` file, validated once at start."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from reference_db.errors import FieldProblem, InvalidInput


class Settings(BaseSettings):
    """What an installation may choose; every field has a default that works on a laptop."""

    model_config = SettingsConfigDict(env_prefix="CDSS_", env_file=".env", extra="ignore", frozen=True)

    home: Path = Field(default=Path("var"), description="Folder of everything that is written.")
    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on; loopback by default.")
    port: int = Field(default=8000, ge=1, le=65535, description="TCP port to listen on.")
    release: str | None = Field(default=None, description="Version to serve; by default the active one.")
    database_url: SecretStr | None = Field(
        default=None, description="Database of what changes, `postgresql://...`; by default SQLite below `home`."
    )
    audit_key: SecretStr | None = Field(
        default=None, min_length=32, description="Secret of the audit trail; by default drawn once, in `home`."
    )

    oidc_issuer: str | None = Field(default=None, description="Issuer of the identity provider; needed off loopback.")
    oidc_audience: str | None = Field(default=None, description="Audience that tokens must name.")
    oidc_client_id: str | None = Field(default=None, description="Client under which browsers log in.")
    oidc_client_secret: SecretStr | None = Field(default=None, description="Secret of that client, if it has one.")
    jwt_secret: SecretStr | None = Field(default=None, min_length=32, description="Secret shared with the issuer.")
    jwt_public_key: Path | None = Field(default=None, description="PEM file; by default the issuer's published keys.")
    roles_claim: str = Field(default="roles", min_length=1, description="Claim with the role; dots reach inside.")
    tls_certificate: Path | None = Field(default=None, description="PEM file; the service then speaks HTTPS itself.")
    tls_key: Path | None = Field(default=None, description="PEM file of the key of the certificate.")
    behind_proxy: str | None = Field(
        default=None, description="Addresses of a reverse proxy that speaks TLS and is trusted to name its clients."
    )
    hosts: str | None = Field(default=None, description="Names by which the service is reached, comma-separated.")
    rate_limit: int | None = Field(
        default=None, ge=0, description="Requests a minute and caller; 0 is no limit, as by default on open loopback."
    )
    workers: int = Field(default=1, ge=1, le=64, description="Processes that answer.")

    @property
    def login_required(self) -> bool:
        """Whether callers must prove who they are."""
        return self.oidc_issuer is not None

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return self.host in {"localhost", "::1"} or self.host.startswith("127.")

    @property
    def secure(self) -> bool:
        """Whether what comes in was encrypted on its way."""
        return self.tls_certificate is not None or self.behind_proxy is not None

    @property
    def bkp(self) -> Path:
        """Folder of the warehouses of originals."""
        return self.home / "bkp"

    @property
    def releases(self) -> Path:
        """Folder of the frozen releases."""
        return self.home / "releases"


@cache
def settings() -> Settings:
    """Return the settings of this process.

    Raises
    ------
    InvalidInput
        Naming each environment variable that cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise InvalidInput(
            [
                FieldProblem(f"CDSS_{'_'.join(map(str, problem['loc'])).upper()}", problem["msg"])
                for problem in error.errors()
            ]
        ) from error
