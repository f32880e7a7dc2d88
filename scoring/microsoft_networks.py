"""Microsoft's networks, in whose clouds its mail scanners run: what its autonomous system (AS 8075) announces.

Taken on 2026-11-26 from the announced prefixes that github.com/ipverse/asn-ip collects (as/8075, at commit 013583f for
IPv4, 02ebfd9 for IPv6), where they are Microsoft's own: those of /15 and larger, the /16 of its clouds, and its old
mail networks. Left out are small prefixes, most of which are customers' own, and what Microsoft holds and does not
announce. All that endpoints.office.com lists for Exchange Online Protection lies within.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

_IPV4: Final = """
4.144.0.0/12 4.160.0.0/11 4.192.0.0/10 13.64.0.0/11 13.104.0.0/14
20.0.0.0/11 20.33.0.0/16 20.36.0.0/14 20.40.0.0/13 20.48.0.0/12 20.64.0.0/10 20.135.0.0/16 20.136.0.0/17 20.143.0.0/16
20.150.0.0/15 20.152.0.0/15 20.157.0.0/16 20.160.0.0/12 20.184.0.0/13 20.192.0.0/10
23.96.0.0/14 23.100.0.0/15 23.102.0.0/16 23.103.64.0/18 23.103.128.0/17
40.64.0.0/15 40.66.0.0/17 40.67.0.0/16 40.68.0.0/14 40.74.0.0/15 40.76.0.0/14 40.80.0.0/12 40.96.0.0/13 40.104.0.0/14
40.108.128.0/17 40.110.0.0/15 40.112.0.0/13 40.120.0.0/14 40.124.0.0/16 40.125.0.0/17 40.126.0.0/18 40.126.128.0/17
40.127.0.0/16 48.192.0.0/12 48.208.0.0/13 48.216.0.0/14
51.4.0.0/15 51.8.0.0/16 51.10.0.0/15 51.12.0.0/15 51.51.0.0/16 51.53.0.0/16 51.103.0.0/16 51.104.0.0/15 51.107.0.0/16
51.116.0.0/16 51.120.0.0/16 51.124.0.0/16 51.132.0.0/16 51.136.0.0/15 51.138.0.0/16 51.140.0.0/14 51.144.0.0/15
52.96.0.0/12 52.112.0.0/14 52.120.0.0/14 52.125.0.0/16 52.136.0.0/13 52.146.0.0/15 52.148.0.0/14 52.152.0.0/13
52.160.0.0/11 52.224.0.0/11 57.150.0.0/15 57.152.0.0/13 57.160.0.0/12 64.4.0.0/18 65.52.0.0/14
68.154.0.0/15 68.210.0.0/15 68.218.0.0/15 68.220.0.0/15 70.37.0.0/17 70.37.128.0/18 70.152.0.0/15 70.156.0.0/15
72.144.0.0/14 72.152.0.0/14 74.144.0.0/12 74.160.0.0/14 74.176.0.0/14 74.224.0.0/14 74.234.0.0/15 74.240.0.0/14
74.248.0.0/15 85.210.0.0/15 94.245.64.0/18 98.64.0.0/14 98.70.0.0/15 102.37.0.0/16 102.133.0.0/16
104.40.0.0/13 104.146.128.0/17 104.208.0.0/13 108.140.0.0/14 131.253.32.0/20 131.253.128.0/17 132.245.0.0/16
134.170.0.0/16 135.224.0.0/15 135.232.0.0/14 135.236.0.0/15 137.116.0.0/15 137.135.0.0/16 138.91.0.0/16 150.171.0.0/16
157.55.0.0/16 157.56.0.0/16 168.61.0.0/16 168.62.0.0/15 172.128.0.0/10 172.200.0.0/13 172.208.0.0/13 191.232.0.0/13
207.46.0.0/19 207.46.36.0/22 207.46.40.0/21 207.46.48.0/20 207.46.64.0/18 207.46.128.0/17 207.68.128.0/18
213.199.128.0/18 216.32.180.0/22
"""
_IPV6: Final = "2603:1000::/25 2620:1ec::/36 2a01:111::/32"


def _ranges(networks: Iterable[IPv4Network] | Iterable[IPv6Network]) -> tuple[list[int], list[int]]:
    """Return where networks begin and where they end, in order, as numbers; none of them overlap."""
    ends_of = {int(each.network_address): int(each.broadcast_address) for each in networks}
    begins = sorted(ends_of)
    return begins, [ends_of[begin] for begin in begins]


_RANGES: Final = {
    4: _ranges([IPv4Network(each) for each in _IPV4.split()]),
    6: _ranges([IPv6Network(each) for each in _IPV6.split()]),
}


@lru_cache(maxsize=8192)
def is_microsoft(address: str) -> bool:
    """Say whether an address is in one of Microsoft's networks.

    >>> is_microsoft("40.94.31.7"), is_microsoft("192.0.2.1"), is_microsoft("no address")
    (True, False, False)
    """
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    begins, ends = _RANGES[parsed.version]
    place = bisect_right(begins, int(parsed)) - 1
    return place >= 0 and int(parsed) <= ends[place]
