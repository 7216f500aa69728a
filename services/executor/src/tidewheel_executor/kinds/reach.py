"""Which addresses a task may reach: public ones, and what the operator allows. Names prove nothing; addresses do."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from tidewheel_executor.kinds.kind import Impossible

Address = IPv4Address | IPv6Address

_NOT_PUBLIC: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; also where some clouds keep their metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's host
        "169.254.0.0/16",  # link-local; metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF; metadata of one cloud
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "2001::/23",  # IETF: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address inside
        "3ffe::/16",  # 6bone
        "3fff::/20",  # documentation
    )
)

_GLOBAL_IPV6: Final = IPv6Network("2000::/3")
"""All of IPv6 that was ever given out; loopback, link-local, private, IPv4-mapped and NAT64 addresses lie outside."""

_ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)
"""The middle of an address that has an IPv4 address in its last four bytes."""


class Reach:
    """What may be reached.

    Args:
        allowed: hosts, addresses and networks (`10.0.0.0/8`) that may be reached although they are not public.
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._hosts: set[str] = set()
        self._networks: list[IPv4Network | IPv6Network] = []
        for entry in allowed:
            try:
                self._networks.append(ip_network(entry, strict=False))
            except ValueError:
                self._hosts.add(entry.lower().rstrip("."))

    def check(self, host: str, addresses: Sequence[Address]) -> None:
        """Check everything that a host's name stands for.

        Raises:
            Impossible: one of the addresses may not be reached.
        """
        if host.lower().rstrip(".") in self._hosts:
            return
        for address in addresses:
            if not is_public(address) and not any(address in network for network in self._networks):
                raise Impossible(
                    f"The host {host} leads to {address}, which is not a public address. "
                    "The operator can allow it in TIDEWHEEL_HTTP_ALLOW."
                )


def read_address(text: str) -> Address:
    """Return an address as the resolver writes it; a zone (`fe80::1%eth0`) is part of it.

    Raises:
        ValueError: it is none.
    """
    return ip_address(text)


def is_public(address: Address) -> bool:
    """Tell whether an address belongs to the public Internet."""
    if isinstance(address, IPv6Address):
        middle = int(address) >> 32 & 0xFFFF_FFFF
        if address not in _GLOBAL_IPV6 or middle in _ISATAP:
            return False
    return not any(address in network for network in _NOT_PUBLIC)
