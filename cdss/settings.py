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
