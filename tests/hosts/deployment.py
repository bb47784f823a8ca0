"""CloudKitty with a configuration and a database of its own in a folder, and our driver as its storage backend."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

from tests.hosts.conftest import Environment, succeed

CONFIGURATION = """
[DEFAULT]
auth_strategy = noauth
transport_url = fake:/
api_paste_config = {paste}
log_file = {folder}/cloudkitty.log
[database]
connection = sqlite:///{folder}/cloudkitty.db
[storage]
backend = undercroft
[storage_undercroft]
connection = {url}
on_conflict = {on_conflict}
[collect]
metrics_conf = {folder}/metrics.yml
wait_periods = 1
[fetcher]
backend = source
[orchestrator]
coordination_url = file://{folder}/locks
"""
METRICS = """
metrics:
  cpu:
    unit: hour
    groupby: [id, project_id]
    metadata: [flavor]
"""


def inside(environment: Environment, folder: pathlib.Path, script: str, *arguments: object) -> Any:
    """Run a script of the folder `inside` with CloudKitty's Python; the JSON on its last line."""
    done = environment.run("-m", f"tests.hosts.inside.{script}", *arguments, cwd=folder)
    succeed(done)
    return json.loads(done.stdout.splitlines()[-1])


@dataclasses.dataclass(frozen=True)
class Deployment:
    """A CloudKitty whose tables are made, and ours with them."""

    environment: Environment
    folder: pathlib.Path

    @classmethod
    def make(cls, environment: Environment, folder: pathlib.Path, url: str, on_conflict: str = "replace") -> Deployment:
        paste = environment.packages / "cloudkitty/tests/gabbi/gabbi_paste.ini"
        # A dollar sign begins a reference in such a file.
        text = CONFIGURATION.format(folder=folder, paste=paste, url=url.replace("$", "$$"), on_conflict=on_conflict)
        (folder / "cloudkitty.conf").write_text(text)
        (folder / "metrics.yml").write_text(METRICS)
        made = cls(environment, folder)
        made.command("cloudkitty-dbsync", "upgrade", "--module", "cloudkitty")
        made.command("cloudkitty-storage-init")
        return made

    @property
    def configured(self) -> tuple[str, str]:
        return "--config-file", str(self.folder / "cloudkitty.conf")

    def command(self, name: str, *arguments: str) -> None:
        """Run one of CloudKitty's commands."""
        succeed(self.environment.run(self.environment.python.parent / name, *self.configured, *arguments, cwd=self.folder))

    def run(self, script: str) -> Any:
        """Run a script of the folder `inside`, which reads the configuration."""
        return inside(self.environment, self.folder, script, *self.configured)

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """The address of its API server, for as long as the block runs."""
        words = [str(self.environment.python), "-m", "tests.hosts.inside.serve", *self.configured]
        with (
            (self.folder / "server.err").open("w+") as errors,
            subprocess.Popen(
                words, cwd=self.folder, env=self.environment.variables, stdout=subprocess.PIPE, stderr=errors, text=True
            ) as server,
        ):
            try:
                assert server.stdout is not None
                port = server.stdout.readline().strip()
                errors.seek(0)
                assert port, errors.read()
                yield f"http://127.0.0.1:{port}"
            finally:
                server.terminate()
