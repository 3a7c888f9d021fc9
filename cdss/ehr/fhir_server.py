"""Reading a clinic's FHIR server with the token of the call, which is neither kept nor logged."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import orjson

from cdss.ehr.elements import Json, first, objects, text
from cdss.ehr.outgoing import outgoing

SECONDS = 5.0
"""For one answer; decision support that comes later is not waited for."""

SECONDS_ALTOGETHER = 10.0
"""For all pages of one query."""

MOST_PAGES = 50
LARGEST_ANSWER = 20_000_000

_REFERENCES = ("subject", "medicationReference")
"""Elements whose references are followed."""


class NotHad(Exception):
    """A query was not answered with what it asked for; the message holds no clinical value and no token."""


@dataclass(frozen=True)
class FhirServer:
    """A FHIR server as one caller may read it.

    Parameters
    ----------
    base_url : str
    token : str
        Access token; empty where none is needed. Never shown by ``repr``.
    """

    base_url: str
    token: str = field(default="", repr=False)

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/fhir+json"}
        return {**headers, "Authorization": f"Bearer {self.token}"} if self.token else headers

    async def read(self, queries: Mapping[str, str]) -> dict[str, list[Json] | NotHad]:
        """Run queries at once.

        Parameters
        ----------
        queries : mapping of str to str
            Relative queries, such as ``Condition?patient=1``, by name.

        Returns
        -------
        dict
            By name the resources, or why they could not be had.
        """
        async with outgoing(seconds=SECONDS, headers=self._headers()) as client:
            answers = await asyncio.gather(*(self._all_pages(client, query) for query in queries.values()))
        return dict(zip(queries, answers, strict=True))

    async def _all_pages(self, client: httpx.AsyncClient, query: str) -> list[Json] | NotHad:
        try:
            return await self._pages(client, f"{self.base_url.rstrip('/')}/{query}")
        except NotHad as reason:
            return reason

    async def _pages(self, client: httpx.AsyncClient, url: str) -> list[Json]:
        try:
            async with asyncio.timeout(SECONDS_ALTOGETHER):
                return await self._every_page(client, url)
        except TimeoutError as error:
            raise NotHad("the FHIR server does not come to an end") from error

    async def _every_page(self, client: httpx.AsyncClient, url: str) -> list[Json]:
        resources: list[Json] = []
        for _ in range(MOST_PAGES):
            document = await self._get(client, url)
            if document.get("resourceType") != "Bundle":
                return [*resources, document]
            resources += bundled(document)
            following = next_page(document)
            if not following:
                return resources
            url = urljoin(url, following)
            if not self._is_own(url):
                raise NotHad("a next page on another server")
        raise NotHad(f"more than {MOST_PAGES} pages")

    async def rest_of(self, bundle: Json) -> list[Json]:
        """Return the resources of the pages after a bundle.

        Raises
        ------
        NotHad
            If they cannot be had.
        """
        url = urljoin(f"{self.base_url.rstrip('/')}/", next_page(bundle))
        if not self._is_own(url):
            raise NotHad("a next page on another server")
        async with outgoing(seconds=SECONDS, headers=self._headers()) as client:
            return await self._pages(client, url)

    def _is_own(self, url: str) -> bool:
        """Tell whether a URL is on this server: a token goes nowhere else."""
        own, other = urlsplit(self.base_url), urlsplit(url)
        return (own.scheme, own.netloc) == (other.scheme, other.netloc)

    async def _get(self, client: httpx.AsyncClient, url: str) -> dict[str, Any]:
        try:
            answer = await client.get(url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotHad("the FHIR server cannot be reached") from error
        if answer.status_code != httpx.codes.OK:
            raise NotHad(f"the FHIR server answered {answer.status_code}")
        if len(answer.content) > LARGEST_ANSWER:
            raise NotHad("the answer of the FHIR server is too large")
        try:
            document = orjson.loads(answer.content)
        except ValueError as error:
            raise NotHad("the FHIR server did not answer JSON") from error
        if not isinstance(document, dict) or document.get("resourceType") == "OperationOutcome":
            raise NotHad("the FHIR server answered an OperationOutcome")
        return document


def bundled(bundle: Json, *, deepest: int = 3) -> list[Json]:
    """Return the resources in a bundle, without the outcomes that a search may add.

    The answer to a batch holds bundles again; what is in them is returned too. Generators that know no identifiers
    yet name a resource by the URN of its entry (``urn:uuid:...``) and refer to it by that: such references are
    replaced by ``Type/id``, and a resource without an identifier is given that of its entry.
    """
    found: list[Json] = []
    names: dict[str, str] = {}
    for entry in objects(bundle.get("entry")):
        resource = entry.get("resource")
        if not isinstance(resource, dict) or resource.get("resourceType") == "OperationOutcome":
            continue
        if resource.get("resourceType") == "Bundle":
            found += bundled(resource, deepest=deepest - 1) if deepest else []
            continue
        name = text(entry.get("fullUrl"))
        if name.startswith("urn:"):
            identifier = text(resource.get("id")) or name.rpartition(":")[2]
            resource = {**resource, "id": identifier}
            names[name.casefold()] = f"{text(resource.get('resourceType'))}/{identifier}"
        found.append(resource)
    return [_resolved(resource, names) for resource in found] if names else found


def _resolved(resource: Json, names: Mapping[str, str]) -> Json:
    """Return a resource that refers to others of its bundle by type and identifier."""
    resolved = dict(resource)
    for element in _REFERENCES:
        reference = first(resource.get(element))
        named = names.get(text(reference.get("reference")).casefold())
        if named is not None:
            resolved[element] = {**reference, "reference": named}
    return resolved


def next_page(bundle: Json) -> str:
    """Return the address of the page after a bundle; empty when it is the last."""
    links = (link for link in objects(bundle.get("link")) if link.get("relation") == "next")
    return next((text(link.get("url")) for link in links), "")
