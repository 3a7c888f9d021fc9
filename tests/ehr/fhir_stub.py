"""A small FHIR server on loopback: answers searches page by page, authorises launches, remembers who asked."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from tests.ehr.records import typical


class FhirStub:
    """A FHIR server with the typical patient."""

    def __init__(
        self,
        *,
        token: str = "",
        page: int = 2,
        broken: str = "",
        configuration: dict[str, Any] | None = None,
        granted: dict[str, Any] | None = None,
        more: tuple[dict[str, Any], ...] = (),
    ) -> None:
        self.asked_to_authorise: dict[str, str] = {}
        self.token_requests: list[dict[str, str]] = []
        self.authorizations: list[str] = []
        self.asked: list[str] = []
        self._resources = [*typical(), *more]
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stub.asked.append(self.path)
                if self.path == "/fhir/.well-known/smart-configuration":
                    self.answer(200, {**stub.smart_configuration(), **(configuration or {})})
                    return
                if self.path.startswith("/fhir/"):
                    stub.authorizations.append(self.headers.get("Authorization", ""))
                if (
                    token
                    and self.path.startswith("/fhir/")
                    and self.headers.get("Authorization") != f"Bearer {token}"
                ):
                    self.answer(401, {"resourceType": "OperationOutcome"})
                    return
                parts = urlsplit(self.path)
                if parts.path == "/authorize":
                    stub.asked_to_authorise = dict(parse_qsl(parts.query))
                    back = urlencode({"code": "the-code", "state": stub.asked_to_authorise["state"]})
                    self.send_response(302)
                    self.send_header("Location", f"{stub.asked_to_authorise['redirect_uri']}?{back}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                kind, _, identifier = parts.path.removeprefix("/fhir/").partition("/")
                if kind == broken:
                    self.answer(500, {"resourceType": "OperationOutcome"})
                    return
                found = [r for r in stub._resources if r["resourceType"] == kind]
                if identifier:
                    named = [r for r in found if r["id"] == identifier]
                    self.answer(200 if named else 404, named[0] if named else {"resourceType": "OperationOutcome"})
                    return
                start = int(parse_qs(parts.query).get("start", ["0"])[0])
                bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
                bundle["entry"] = [{"resource": r} for r in found[start : start + page]]
                if start + page < len(found):
                    bundle["link"] = [{"relation": "next", "url": f"{stub.base_url}/{kind}?start={start + page}"}]
                self.answer(200, bundle)

            def do_POST(self) -> None:
                form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                stub.token_requests.append(form)
                digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
                challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
                asked = stub.asked_to_authorise
                if form.get("code") != "the-code" or challenge != asked["code_challenge"]:
                    self.answer(400, {"error": "invalid_grant"})
                    return
                answer = {"access_token": token, "token_type": "Bearer", "scope": asked["scope"], "patient": "p1"}
                self.answer(200, {**answer, **(granted or {})})

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

    def smart_configuration(self) -> dict[str, Any]:
        root = self.base_url.removesuffix("/fhir")
        return {
            "authorization_endpoint": f"{root}/authorize",
            "token_endpoint": f"{root}/token",
            "code_challenge_methods_supported": ["S256"],
            "capabilities": ["launch-ehr", "launch-standalone", "client-public", "permission-v2"],
        }

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
