"""Whose fault an answer of OpenSearch or Elasticsearch is."""

from __future__ import annotations

import pytest

from undercroft.engines import opensearch


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_the_server_cannot_do_now_may_be_asked_again(status):
    """500 is what Elasticsearch 7.10 answers where a search meets an index that is being deleted."""
    reason = "search_phase_execution_exception: illegal_state_exception: already closed, can't increment ref count"
    error = opensearch.failed(status, reason)
    assert isinstance(error, opensearch.Busy)
    assert error.retryable


@pytest.mark.parametrize("status", [400, 401, 404, 413])
def test_what_it_refuses_is_not_asked_again(status):
    assert not isinstance(opensearch.failed(status, "mapper_parsing_exception"), opensearch.Busy)
