"""Property-based tests of the whole interface against its own OpenAPI document."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance

from cdss.app import Service
from cdss.audit import audit_key
from cdss.security.roles import Role
from cdss.security.tokens import Sessions
from cdss.settings import Settings

# Rules between fields (relapses of one year within those of two), the half steps of the EDSS and the names of
# releases cannot be said in a JSON schema, so a request that the document allows may still be refused with a reason.
EXAMPLES = 12
"""Requests per operation, half of them malformed on purpose."""


@pytest.fixture(scope="module")
def service(releases: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("fuzzed")
    shutil.copytree(releases, home / "releases")
    service = Service(Settings(home=home, hosts="testserver"))
    yield service
    service.close()


@pytest.fixture(scope="module")
def interface(service: Service) -> BaseSchema:
    with warnings.catch_warnings():
        # Its client of ASGI applications stands on the one that Starlette is about to replace.
        warnings.simplefilter("ignore")
        return schemathesis.openapi.from_asgi("/openapi.json", service)


def test_every_operation_keeps_to_its_document(interface: BaseSchema, service: Service) -> None:
    sessions = Sessions(audit_key(service.settings))
    token = sessions.issue("fuzzer", Role.STEWARD, proven=False)
    found: list[str] = []
    for result in interface.get_all_operations():
        operation = result.ok()

        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Case) -> None:
            answer = case.call_and_validate(
                headers={"Authorization": f"Bearer {token}"}, excluded_checks=[positive_data_acceptance]
            )
            assert "Traceback" not in answer.text
            assert str(service.settings.home) not in answer.text

        try:
            ask()
        except (AssertionError, BaseExceptionGroup) as error:
            found.append(f"{operation.label}: {error}")
    assert not found, "\n\n".join(found)
