"""Which addresses a task may reach, whatever name leads to them."""

from ipaddress import ip_address

import pytest

from tidewheel_executor.kinds.kind import Impossible
from tidewheel_executor.kinds.reach import Reach, is_public

FORBIDDEN = [
    "0.0.0.0",  # noqa: S104 -- nothing listens there
    "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255",
    "127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2", "172.16.0.1",
    "172.31.255.255", "192.0.0.8", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1",
    "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::ffff:0:10.0.0.1",
    "64:ff9b::a9fe:a9fe", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:a9fe:a9fe::1",
    "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::1", "2002:a9fe:a9fe::1", "3ffe::1",
    "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fe80::1%eth0", "fec0::1",
    "ff02::1", "ff0e::1", "2606:4700::5efe:a00:1", "2606:4700::200:5efe:a00:1",
]  # fmt: skip

PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "172.32.0.1", "192.0.1.1", "223.255.255.254",
          "2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450:4001:82a::200e"]  # fmt: skip


@pytest.mark.parametrize("text", FORBIDDEN)
def test_what_is_not_public_is_not_reached(text: str) -> None:
    assert not is_public(ip_address(text))
    with pytest.raises(Impossible, match="not a public address"):
        Reach().check("any.example", [ip_address("8.8.8.8"), ip_address(text)])


@pytest.mark.parametrize("text", PUBLIC)
def test_what_is_public_is_reached(text: str) -> None:
    assert is_public(ip_address(text))
    Reach().check("any.example", [ip_address(text)])


def test_the_operator_allows_networks_addresses_and_hosts() -> None:
    reach = Reach(["10.1.0.0/16", "fd00:1::/32", "192.168.7.7", "Billing.internal"])

    reach.check("any.example", [ip_address("10.1.2.3"), ip_address("fd00:1::5"), ip_address("192.168.7.7")])
    reach.check("billing.INTERNAL.", [ip_address("172.16.0.9")])
    for host, address in (
        ("any.example", "10.2.0.1"),
        ("any.example", "192.168.7.8"),
        ("other.billing.internal", "172.16.0.9"),
        ("any.example", "::ffff:10.1.2.3"),
    ):
        with pytest.raises(Impossible):
            reach.check(host, [ip_address(address)])
