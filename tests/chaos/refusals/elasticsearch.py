"""Elasticsearch refuses as OpenSearch does."""

from __future__ import annotations

from tests.chaos.refusals.search import COMMON as WAYS

__all__ = ["WAYS"]
