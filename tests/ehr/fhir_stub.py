"""A small FHIR server on loopback: answers searches page by page, and remembers who asked."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.ehr.records import typical


class FhirStub:
    """A FHIR server with the typical patient."""

    def __init__(self, *, token: str = "", page: int = 2, broken: str = "") -> None:
        self.authorizations: list[str] = []
        self.asked: list[str] = []
        self._resources = typical()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stub.asked.append(self.path)
                stub.authorizations.append(self.headers.get("Authorization", ""))
                if token and self.headers.get("Authorization") != f"Bearer {token}":
                    self.answer(401, {"resourceType": "OperationOutcome"})
                    return
                parts = urlsplit(self.path)
                kind, _, identifier = parts.path.removeprefix("/fhir/").partition("/")
                if kind == broken:
                    self.answer(500, {"resourceType": "OperationOutcome"})
                    return
                found = [r for r in stub._resources if r["resourceType"] == kind]
                if identifier:
                    self.answer(200, found[0])
                    return
                start = int(parse_qs(parts.query).get("start", ["0"])[0])
                bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
                bundle["entry"] = [{"resource": r} for r in found[start : start + page]]
                if start + page < len(found):
                    bundle["link"] = [{"relation": "next", "url": f"{stub.base_url}/{kind}?start={start + page}"}]
                self.answer(200, bundle)

            def answer(self, status: int, document: dict[str, Any]) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/fhir+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/fhir"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
