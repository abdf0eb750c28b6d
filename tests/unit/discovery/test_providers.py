"""The table of providers, and how they are recognised (pillarbox.discovery.providers)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.discovery.hosts import host_name, is_within, matches
from pillarbox.discovery.provider_rows import PROVIDERS
from pillarbox.discovery.providers import (
    Provider,
    by_autodiscover,
    by_domain,
    by_mx,
    by_spf,
    is_known_to_entra,
    spf_includes,
)


@pytest.mark.parametrize("provider", PROVIDERS, ids=[p.key for p in PROVIDERS])
def test_row_is_complete_and_has_its_source(provider: Provider) -> None:
    """What people are told to type in must be possible to look up."""
    assert provider.source
    assert provider.doors
    assert host_name(provider.host) == provider.host
    patterns = (*provider.domains, *provider.mx, *provider.spf, *provider.autodiscover)
    assert all(host_name(pattern.removeprefix("*.")) for pattern in patterns)


def test_no_two_rows_claim_the_same() -> None:
    """Each domain and each pattern has one owner, and each row its own key."""
    keys = [p.key for p in PROVIDERS]
    domains = [domain for p in PROVIDERS for domain in p.domains]

    assert len(keys) == len(set(keys))
    assert len(domains) == len(set(domains))


def test_microsoft_has_no_port_465() -> None:
    """Guides say otherwise; connections to it time out."""
    for provider in PROVIDERS:
        if "office365" in provider.host or "outlook" in provider.host:
            assert [door.port for door in provider.doors] == [587]
            assert any("no port 465" in note for note in provider.notes)


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("corp.mail.protection.outlook.com", "microsoft365"),
        ("hotmail-com.olc.protection.outlook.com", "outlook.com"),
        ("corp.a-v1.mx.microsoft", "microsoft365"),
        ("corp.mail.protection.office365.us", "microsoft365-gcc-high"),
        ("mail.protection.outlook.com.evil.com", ""),
        ("evilmx.microsoft", ""),
        ("mx2.zoho.com.au", "zoho.com.au-organisation"),
        ("eu-smtp-inbound-1.mimecast.com", ""),
        ("mta7.am0.yahoodns.net", "yahoo"),
        ("mx-aol.mail.gm0.yahoodns.net", "aol"),
    ],
)
def test_mx_host_is_recognised_by_whole_labels(host: str, key: str) -> None:
    """A pattern means what is below it, and nothing that merely ends alike."""
    provider = by_mx(PROVIDERS, host)

    assert (provider.key if provider else "") == key


def test_government_clouds_have_their_own_alias() -> None:
    """The alias of a customer's domain tells which cloud it is in."""
    for target, key in [
        ("autodiscover.outlook.com", "microsoft365"),
        ("autodiscover-s.office365.us", "microsoft365-gcc-high"),
        ("autodiscover-s-dod.office365.us", "microsoft365-dod"),
    ]:
        provider = by_autodiscover(PROVIDERS, target)
        assert provider is not None
        assert provider.key == key
    assert by_autodiscover(PROVIDERS, "") is None


def test_tenant_domains_are_microsofts() -> None:
    """The domain that every tenant has."""
    provider = by_domain(PROVIDERS, "corp.onmicrosoft.com")

    assert provider is not None
    assert provider.key == "microsoft365"


@pytest.mark.parametrize(
    ("texts", "included"),
    [
        (["v=spf1 include:_spf.google.com ~all"], ["_spf.google.com"]),
        (["V=SPF1 ?INCLUDE:a.com redirect=b.com."], ["a.com", "b.com"]),
        (["v=spf1 -include:a.com -all"], []),
        (["v=spf1 include:a.com", "v=spf1 include:b.com"], []),
        (["v=spf10 include:a.com", "x include:a.com"], []),
        ([], []),
    ],
)
def test_spf_record_names_who_may_send(texts: list[str], included: list[str]) -> None:
    """RFC 7208: one record, its includes and its redirect; a failing include lets nobody send."""
    assert spf_includes(texts) == included


@given(st.lists(st.text(max_size=80), max_size=4), st.binary(max_size=80))
def test_any_text_is_read(texts: list[str], octets: bytes) -> None:
    """Strangers write them."""
    by_spf(PROVIDERS, ["v=spf1 " + text for text in texts])
    by_spf(PROVIDERS, texts)
    is_known_to_entra(octets)


@given(st.text(max_size=40))
def test_host_name_is_a_name_or_nothing(text: str) -> None:
    """What is taken is lower case, ASCII, has two labels at least, and stays what it is."""
    name = host_name(text)

    if name is not None:
        assert name == name.lower()
        assert name.isascii()
        assert "." in name
        assert host_name(name) == name


def test_inside_means_whole_labels() -> None:
    """mail.corp.com is in corp.com, evilcorp.com is not."""
    assert is_within("mail.corp.com", "corp.com")
    assert not is_within("evilcorp.com", "corp.com")
    assert matches("a.b.corp.com", "*.corp.com")
    assert not matches("corp.com", "*.corp.com")
    assert not matches(".corp.com", "*.corp.com")
