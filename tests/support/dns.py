"""The DNS server of the test kit, under the name that the tests know."""

from mailhub.testing.dns import TTL as TTL
from mailhub.testing.dns import DnsServer as DnsServer
