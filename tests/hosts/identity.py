"""A real Keystone on SQLite, and a gate that asks it about the token of each request."""

from __future__ import annotations

import contextlib
import functools
import http.server
import pathlib
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
from cryptography import fernet

from tests.hosts.conftest import Environment, succeed
from tests.hosts.served import PATIENCE, Served

PASSWORD = "canary-of-the-admin"
REGION = "R1"
CONFIGURATION = """
[DEFAULT]
log_file = {folder}/{name}.log
[database]
connection = sqlite:///{folder}/keystone.db
[token]
expiration = {expiration}
[fernet_tokens]
key_repository = {folder}/fernet
[credential]
key_repository = {folder}/credential
[fernet_receipts]
key_repository = {folder}/fernet
[cache]
enabled = false
[identity]
password_hash_rounds = 4
"""


class Keystone(Served):
    """One server; several may share a folder, and with it users and tokens."""

    def __init__(self, environment: Environment, folder: pathlib.Path, name: str = "keystone", expiration: int = 3600) -> None:
        super().__init__(environment, folder, "keystone_api.py", "/v3/")
        self.configuration = folder / f"{name}.conf"
        self.configuration.write_text(CONFIGURATION.format(folder=folder, name=name, expiration=expiration))
        self.client = httpx.Client(base_url=self.url + "/v3", timeout=PATIENCE)

    def arguments(self) -> list[str]:
        return [str(self.configuration), str(self.port)]

    def make(self) -> None:
        """Make tables, keys, and the first user with the role admin."""
        # As its own commands make them, a process less for each.
        for name in ("fernet", "credential"):
            (self.folder / name).mkdir(mode=0o700)
            for number in ("0", "1"):
                (self.folder / name / number).write_bytes(fernet.Fernet.generate_key())
        self._manage("db_sync")
        first = {"password": PASSWORD, "public-url": self.url + "/v3", "region-id": REGION}
        self._manage("bootstrap", *(word for name, value in first.items() for word in (f"--bootstrap-{name}", value)))

    def _manage(self, *arguments: str) -> None:
        command = self.environment.python.parent / "keystone-manage"
        succeed(self.environment.run(command, "--config-file", str(self.configuration), *arguments, cwd=self.folder))

    def close(self) -> None:
        super().close()
        self.client.close()

    # -- what an administrator does ------------------------------------------------------------------------------------

    @functools.cache  # noqa: B019 - as long as the server
    def admin(self) -> dict[str, str]:
        """Headers of the administrator."""
        user = {"name": "admin", "domain": {"id": "default"}, "password": PASSWORD}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        return {"X-Auth-Token": self.client.post("/auth/tokens", json=body).headers["X-Subject-Token"]}

    def create(self, what: str, /, **fields: Any) -> str:
        """Create a thing; its id."""
        done = self.client.post(f"/{what}s", json={what: fields}, headers=self.admin())
        assert done.status_code == 201, done.text
        return str(done.json()[what]["id"])

    def change(self, path: str, **fields: Any) -> None:
        kind = path.split("/")[1].removesuffix("s")
        done = self.client.patch(path, json={kind: fields}, headers=self.admin())
        assert done.status_code == 200, done.text

    def grant(self, project: str, user: str, role: str) -> None:
        found = self.client.get("/roles", params={"name": role}, headers=self.admin()).json()["roles"][0]["id"]
        assert self.client.put(f"/projects/{project}/users/{user}/roles/{found}", headers=self.admin()).status_code == 204

    def revoke(self, token: str) -> None:
        done = self.client.delete("/auth/tokens", headers={**self.admin(), "X-Subject-Token": token})
        assert done.status_code == 204, done.text


class Gate:
    """Lets requests pass whose token Keystone knows, with the identity that it tells.

    Our service does not ask Keystone itself yet; this stands where the middleware of an old Ceilometer stood.
    """

    def __init__(self, keystone: Keystone, behind: str) -> None:
        self.answers: Counter[int] = Counter()
        self.tokens: list[str] = []
        self.client = httpx.Client(timeout=PATIENCE)
        gate = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None: ...

            def _pass(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                token = self.headers.get("X-Auth-Token") or ""
                gate.tokens.append(token)
                told = gate.client.get(
                    keystone.url + "/v3/auth/tokens", headers={**keystone.admin(), "X-Subject-Token": token}
                )  # fmt: skip
                if told.status_code != 200:
                    self._answer(401, b'{"error": {"message": "Unauthorized"}}')
                    return
                known = told.json()["token"]
                identity = {
                    "X-Project-Id": known["project"]["id"], "X-User-Id": known["user"]["id"],
                    "X-Roles": ",".join(role["name"] for role in known["roles"]),
                    "Content-Type": self.headers.get("Content-Type") or "application/json",
                }  # fmt: skip
                done = gate.client.request(self.command, behind + self.path, content=body, headers=identity)
                self._answer(done.status_code, done.content)

            def _answer(self, status: int, body: bytes) -> None:
                gate.answers[status] += 1
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _pass  # noqa: N815 - the names that the library calls

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)
        self.client.close()


@contextlib.contextmanager
def running(environment: Environment, folder: pathlib.Path) -> Iterator[tuple[Keystone, Keystone]]:
    """Two servers with the same users: tokens of the second live so short that each is renewed before it is used again."""
    usual = Keystone(environment, folder)
    brief = Keystone(environment, folder, "brief", expiration=62)
    with contextlib.closing(usual), contextlib.closing(brief):
        usual.make()
        usual.begin()
        brief.begin()
        usual.await_alive()
        brief.await_alive()
        yield usual, brief
