"""The download of CSV is read back as it was, as the command line's outputs are."""

from __future__ import annotations

import pytest

from tests.api.service import serving
from tests.cli.test_cells import check, stores

__all__ = ["stores"]


@pytest.mark.promise("S11")
def test_the_download_is_one_row_a_row(stores):
    with serving(None, events=stores["events"]) as service:
        headers = {"X-Roles": "admin", "X-Project-Id": "p", "X-User-Id": "u"}
        check(service.client.get("/events/v1/events?format=csv", headers=headers).content)
