"""A real Aetos before a Prometheus, with a real Keystone's middleware before it."""

from __future__ import annotations

import pathlib
import urllib.parse

from tests.hosts.conftest import Environment
from tests.hosts.identity import REGION, Keystone
from tests.hosts.served import Served

PASSWORD = "canary-of-the-service"
# uWSGI's default for a request without its body: no server that is usual before Aetos takes less.
LARGEST = 4_096
CONFIGURATION = """
[DEFAULT]
log_file = {folder}/aetos.log
[prometheus]
host = {host}
port = {port}
[keystone_authtoken]
auth_type = password
auth_url = {auth_url}
www_authenticate_uri = {auth_url}
interface = public
username = aetos
password = {password}
project_name = admin
user_domain_id = default
project_domain_id = default
token_cache_time = {cached}
"""


class Aetos(Served):
    """One server; its user at Keystone may be made later.

    Args:
        environment: with its packages.
        folder: where it has its configuration and its logs.
        keystone: that knows its callers.
        prometheus: URL of what it asks.
        cached: for how many seconds it remembers that a token is good; -1: not at all.
    """

    def __init__(
        self, environment: Environment, folder: pathlib.Path, keystone: Keystone, prometheus: str, cached: int = 300
    ) -> None:
        super().__init__(environment, folder, "aetos_api.py", "/healthcheck")
        place = urllib.parse.urlsplit(prometheus)
        home = folder / ".aetos"
        home.mkdir(parents=True)
        (home / "aetos.conf").write_text(
            CONFIGURATION.format(
                folder=folder, host=place.hostname, port=place.port, auth_url=keystone.url + "/v3", password=PASSWORD, cached=cached
            )
        )

    def arguments(self) -> list[str]:
        return [str(self.port), str(LARGEST)]

    def variables(self) -> dict[str, str]:
        return super().variables() | {"HOME": str(self.folder)}


def registered(keystone: Keystone, **regions: Aetos) -> str:
    """Make the user of the servers, and their endpoints in the catalogue; the id of the project that all belong to."""
    told = keystone.client.get("/auth/projects", headers=keystone.admin()).json()["projects"]
    project = next(each["id"] for each in told if each["name"] == "admin")
    keystone.grant(project, keystone.create("user", name="aetos", domain_id="default", password=PASSWORD), "service")
    service = keystone.create("service", name="aetos", type="metric-storage")
    for region, aetos in regions.items():
        # Keystone has made the first one itself.
        if region != REGION:
            keystone.create("region", id=region)
        keystone.create("endpoint", service_id=service, region_id=region, interface="public", url=aetos.url)
    return str(project)
