"""Names that the worker uses itself."""

from __future__ import annotations

import pytest

from undercroft.core.errors import ConfigInvalid
from undercroft.export import load
from undercroft.export.worker import EVERYTHING


def test_no_filter_has_the_name_by_which_the_worker_calls_all_of_them(tmp_path):
    """A filter of that name would wait whenever something concerns all filters, and all of them for it."""
    file = tmp_path / "export.ini"
    file.write_text(
        f"[exporter]\nauth = none\nendpoint = http://127.0.0.1\nconnection = sqlite:///bi.db\n[filter:{EVERYTHING}]\nmeters = *\n"
    )
    with pytest.raises(ConfigInvalid):
        load(file)
