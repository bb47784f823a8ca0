"""Which addresses a user's URL may reach: the list of what is refused, the spellings, and what an operator allows."""

from __future__ import annotations

import ipaddress
import random

import pytest

from undercroft.core.errors import ConfigInvalid
from undercroft.engines.addresses import REFUSED, Forbidden, Guard, literal

pytestmark = pytest.mark.promise("S2")
# Of each range that a request must not reach: an address in it, and those at its ends.
FORBIDDEN = (
    "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.100.100.200", "100.127.255.255", "127.0.0.1",
    "127.255.255.255", "168.63.129.16", "169.254.0.0", "169.254.169.254", "169.254.170.2", "172.16.0.0", "172.31.255.255",
    "192.0.0.0", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255",
    "198.51.100.7", "203.0.113.7", "224.0.0.0", "239.255.255.255", "240.0.0.0", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:2::1", "2001:10::1",
    "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254",
    "fdff:ffff::1", "fe80::1", "febf::1", "fec0::1", "feff::1", "ff02::1", "ff0e::1", "4000::1", "1fff::1", "9000::1", "e000::1",
)  # fmt: skip
PUBLIC = (
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
    "198.20.0.0", "223.255.255.255", "2001:4860:4860::8888", "2606:4700::1111", "2a00::1", "2003::1", "3ffe::1",
)  # fmt: skip


@pytest.mark.parametrize("text", FORBIDDEN)
def test_an_address_that_is_not_public_is_refused(text):
    with pytest.raises(Forbidden, match="is not allowed"):
        Guard([], "setting").check([ipaddress.ip_address(text)])


def test_public_addresses_pass():
    Guard([], "setting").check(map(ipaddress.ip_address, PUBLIC))


def test_what_the_library_calls_not_public_is_refused_too():
    # The library's own list grows; ours is not behind it.
    source = random.Random(7)
    guard = Guard([], "setting")
    for network, _ in REFUSED:
        for _ in range(200):
            address = network[source.randrange(network.num_addresses)]
            with pytest.raises(Forbidden):
                guard.check([address])
    for bits, make in ((32, ipaddress.IPv4Address), (128, ipaddress.IPv6Address)):
        for _ in range(5_000):
            address = make(source.getrandbits(bits))
            if not address.is_global:
                with pytest.raises(Forbidden):
                    guard.check([address])


def test_one_forbidden_address_of_several_is_enough():
    with pytest.raises(Forbidden, match=r"10\.0\.0\.1"):
        Guard([], "setting").check([ipaddress.ip_address("8.8.8.8"), ipaddress.ip_address("10.0.0.1")])


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"), ("127.0.0.1.", "127.0.0.1"), ("127.1", "127.0.0.1"), ("127.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"), ("0x7f000001", "127.0.0.1"), ("0X7F.0.0.1", "127.0.0.1"), ("0177.0.0.1", "127.0.0.1"),
        ("017700000001", "127.0.0.1"), ("0", "0.0.0.0"), ("169.254.43518", "169.254.169.254"), ("0xa9fea9fe", "169.254.169.254"),
        ("::1", "::1"), ("0:0:0:0:0:0:0:1", "::1"), ("::ffff:7f00:1", "::ffff:127.0.0.1"),
    ],
)  # fmt: skip
def test_every_spelling_of_an_address_is_known(host, address):
    assert literal(host) == ipaddress.ip_address(address)


@pytest.mark.parametrize("host", ["example.org", "localhost", "a", "1.2.3.4.5", "256.0.0.1", "0x", "127.0.0.1.example.org", "x1"])
def test_a_name_is_not_an_address(host):
    assert literal(host) is None


def test_what_an_operator_allows_passes():
    guard = Guard(["127.0.0.0/8", " 10.1.0.0/16", "fd00::/8"], "setting")
    guard.check(map(ipaddress.ip_address, ("127.0.0.1", "10.1.2.3", "fd00::1", "8.8.8.8")))
    for text in ("10.2.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fc00::1"):
        with pytest.raises(Forbidden):
            guard.check([ipaddress.ip_address(text)])


@pytest.mark.parametrize("text", ["", "x", "10.0.0.1/8", "10.0.0.0/33", "example.org"])
def test_what_is_not_a_network_is_refused(text):
    with pytest.raises(ConfigInvalid, match=r"setting: .*is not a network such as 10\.1\.0\.0/16"):
        Guard([text], "setting")
