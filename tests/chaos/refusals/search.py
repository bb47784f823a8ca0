"""OpenSearch and Elasticsearch refuse: by blocks of an index, by an index that is closed, by what a pipeline answers."""

from __future__ import annotations

import contextlib
import functools
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from tests.chaos.refusals import TOLD, Refusal, Way, named
from undercroft.conformance.plugin import Opener


class _Indices:
    """The indices of a namespace."""

    def __init__(self, opener: Opener) -> None:
        parts = urllib.parse.urlsplit(opener.url)
        self._client = httpx.Client(base_url=f"http://{parts.hostname}:{parts.port}", timeout=60)
        self.names = f"{opener.namespace}*"

    def ask(self, method: str, path: str, body: Any = None) -> None:
        self._client.request(method, path, json=body).raise_for_status()

    def set(self, name: str, value: Any) -> None:
        self.ask("PUT", f"/{self.names}/_settings", {name: value})

    def close(self) -> None:
        self._client.close()


@contextlib.contextmanager
def _setting(opener: Opener, name: str, value: Any) -> Iterator[Refusal]:
    """A setting of the indices has a value."""
    with contextlib.closing(_Indices(opener)) as indices:
        yield Refusal(named(opener), functools.partial(indices.set, name, value), functools.partial(indices.set, name, None))


@contextlib.contextmanager
def _failing(opener: Opener) -> Iterator[Refusal]:
    """A pipeline that is not ours fails for every document."""
    with contextlib.closing(_Indices(opener)) as indices:
        pipeline = f"{opener.namespace}-fails"
        indices.ask("PUT", f"/_ingest/pipeline/{pipeline}", {"processors": [{"fail": {"message": TOLD}}]})
        set_to = functools.partial(indices.set, "index.default_pipeline")
        yield Refusal(named(opener), functools.partial(set_to, pipeline), functools.partial(set_to, "_none"))
        indices.ask("DELETE", f"/_ingest/pipeline/{pipeline}")


# Elasticsearch's free package lacks the processor that the last of WAYS needs.
COMMON: Mapping[str, Way] = {
    "a write block": functools.partial(_setting, name="index.blocks.write", value=True),
    "a full disk's block": functools.partial(_setting, name="index.blocks.read_only_allow_delete", value=True),
    "read only": functools.partial(_setting, name="index.blocks.read_only", value=True),
    "a pipeline that is missing": functools.partial(_setting, name="index.default_pipeline", value=TOLD),
}
WAYS: Mapping[str, Way] = {**COMMON, "a pipeline that fails": _failing}
