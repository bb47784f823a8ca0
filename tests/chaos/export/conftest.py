"""Targets of the worker, as tests/export has them."""

from tests.export.conftest import place, pytest_generate_tests, target_url  # noqa: F401 - fixtures, and what gives them engines
