"""Which addresses are public: properties over all of them, against what the standard library knows."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sievert.serving.destinations import Stopped, checked, destination_of, is_public, literal

FOURS = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
SIXES = st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address)
INNER = ["127.0.0.0/8", "10.0.0.0/8", "192.168.0.0/16", "172.16.0.0/12", "169.254.0.0/16", "100.64.0.0/10"]


@given(address=st.one_of(FOURS, SIXES))
@settings(max_examples=500)
def test_nothing_that_the_standard_library_calls_inner_is_public(address):
    if is_public(address) and int(address) >> 32 != 0x64FF9B << 64:
        assert address.is_global
        assert not any(
            (address.is_multicast, address.is_reserved, address.is_loopback, address.is_link_local)
        )


@given(data=st.data(), net=st.sampled_from(INNER))
@settings(max_examples=300)
def test_an_inner_address_stays_inner_however_an_ipv6_address_carries_it(data, net):
    network = ipaddress.IPv4Network(net)
    offset = data.draw(st.integers(0, network.num_addresses - 1))
    four = int(network.network_address) + offset
    low = data.draw(st.integers(0, 2**64 - 1))
    carried = {
        "itself": ipaddress.IPv4Address(four),
        "mapped": ipaddress.IPv6Address((0xFFFF << 32) | four),
        "compatible": ipaddress.IPv6Address(four),
        "translated": ipaddress.IPv6Address((0x64FF9B << 96) | four),
        "6to4": ipaddress.IPv6Address((0x2002 << 112) | (four << 80) | low),
        "teredo server": ipaddress.IPv6Address((0x20010000 << 96) | (four << 64) | low),
        "teredo client": ipaddress.IPv6Address((0x20010000 << 96) | (low << 32) | (four ^ 0xFFFFFFFF)),
        "isatap": ipaddress.IPv6Address((0x2600 << 112) | (0x5EFE << 32) | four),
        "isatap, universal": ipaddress.IPv6Address((0x2600 << 112) | (0x02005EFE << 32) | four),
    }
    assert [how for how, address in carried.items() if is_public(address)] == []


@given(four=FOURS)
def test_a_translated_address_is_what_it_carries(four):
    assert is_public(ipaddress.IPv6Address((0x64FF9B << 96) | int(four))) == is_public(four)


@given(found=st.lists(st.one_of(FOURS, SIXES, st.just(ipaddress.IPv4Address("93.184.216.34"))), max_size=4))
def test_what_is_checked_is_all_or_nothing(found):
    destination = destination_of("http://a.test/", ())
    told = [str(one) for one in found]
    if found and all(map(is_public, found)):
        assert checked(destination, told) == found
    else:
        with pytest.raises(Stopped):
            checked(destination, told)


@given(host=st.text(st.sampled_from("0123456789abcdefx.:%[]-@/\\ 。"), max_size=20))
@settings(max_examples=500)
def test_a_strange_host_is_refused_or_taken_for_what_it_is(host):
    """Whatever it is, no number in disguise and nothing with a user in it passes for a name."""
    try:
        destination = destination_of(f"http://{host}/", ())
    except Stopped:
        return
    last = destination.host.rpartition(".")[2]
    if literal(destination.host) is None:
        assert not last.isdigit()
        assert not last.startswith("0x")
    assert not set(destination.host) & set("%@/\\ []")
