"""InfluxQL: quoting, and templates of queries."""

from __future__ import annotations

import re

import pytest

from undercroft.core.errors import ConfigInvalid, InvalidInput
from undercroft.datasources.influxql import Template, name, pattern, text

HOSTILE = "a' OR 1=1; DROP--\\\"/\n"
VALUES = {
    "aggregate": "mean", "resource": "c1", "period": "300", "granularity": "60", "retention": "one_week",
    "start": "1000", "end": "2000", "resources": "(\"host\" = 'c1')",
}  # fmt: skip


def test_a_string_ends_at_its_own_quote_only() -> None:
    assert text(HOSTILE) == "'a\\' OR 1=1; DROP--\\\\\"/\\n'"


def test_an_identifier_ends_at_its_own_quote_only() -> None:
    assert name(HOSTILE) == '"a\' OR 1=1; DROP--\\\\\\"/\\n"'


def test_a_pattern_matches_the_name_alone() -> None:
    for value in ("c1.example.com", "a/b", "x\\y", "(.*)", "tab\there", HOSTILE):
        found = pattern(value)
        assert re.fullmatch(found.replace("\\/", "/"), value)
        assert "\n" not in found
        assert not re.search(r"(?<!\\)(\\\\)*/", found)
    assert not re.fullmatch(pattern("c1.example"), "c1xexample")


def test_a_template_of_watcher() -> None:
    template = Template('SELECT {0}("v") FROM {4}.cpu WHERE ("host" =~ /^{1}$/ AND time > now()-{2}s) GROUP BY {3}', "q")
    assert template.is_single
    assert template.fill(VALUES) == (
        'SELECT mean("v") FROM one_week.cpu WHERE ("host" =~ /^c1$/ AND time > now()-300s) GROUP BY 60'
    )


def test_a_template_for_many() -> None:
    template = Template("SELECT {aggregate}(v) FROM m WHERE time > {start} AND time <= {end} AND {resources} GROUP BY host", "q")
    assert not template.is_single
    assert template.fill(VALUES) == ("SELECT mean(v) FROM m WHERE time > 1000 AND time <= 2000 AND (\"host\" = 'c1') GROUP BY host")


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("h = '{1}'", "h = 'a\\' OR 1=1; DROP--\\\\\"/\\n'"),
        ('"{1}" = 1', '"a\' OR 1=1; DROP--\\\\\\"/\\n" = 1'),
        ("h =~ /^{1}$/ AND b = '{1}'", f"h =~ /^{pattern(HOSTILE)}$/ AND b = 'a\\' OR 1=1; DROP--\\\\\"/\\n'"),
        ("x / y > 1 AND h = '{1}'", "x / y > 1 AND h = 'a\\' OR 1=1; DROP--\\\\\"/\\n'"),
        ("x = 'it\\'s' AND h !~ /\\/{1}/", f"x = 'it\\'s' AND h !~ /\\/{pattern(HOSTILE)}/"),
    ],
)
def test_a_name_is_escaped_as_its_quotes_want(source: str, wanted: str) -> None:
    assert Template(source, "q").fill({**VALUES, "resource": HOSTILE}) == wanted


def test_a_bare_name_is_plain_or_refused() -> None:
    template = Template("m=host_cpu_usage;a={0};id={1};p={2};g={3}", "q")
    assert template.fill(VALUES) == "m=host_cpu_usage;a=mean;id=c1;p=300;g=60"
    with pytest.raises(InvalidInput, match=r"put \{1\} between single quotes"):
        template.fill({**VALUES, "resource": "c1;a=max"})


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{5}", "unknown field {5}"),
        ("{resource.x}", "unknown field {resource.x}"),
        ("{0!r}", "unknown field"),
        ("{", "brace"),
        ("'\\{1}'", "a backslash stands before"),
        ("{1} {resources}", "it has both"),
    ],
)
def test_what_is_refused(source: str, told: str) -> None:
    with pytest.raises(ConfigInvalid, match=re.escape(told)):
        Template(source, "query of host_power")
