"""Tenants, domains, accounts and send-as rights by command (pillarbox.cli)."""

import pytest
from tests.unit.cli.conftest import Service

EX_USAGE = 64
EX_DATA = 65
EX_NO_SUCH = 67
EX_UNAVAILABLE = 69


def test_tenant_is_shown_as_it_was_added(service: Service) -> None:
    """Options of `add` and `change` come back in JSON under stable names."""
    service.do("tenant", "add", "acme", "--give-up", "3600", "--delay-notice", "none")
    service.do("tenant", "change", "acme", "--size-limit", "1000000")

    shown = service.json("tenant", "show", "acme")

    assert shown["name"] == "acme"
    assert shown["give_up_seconds"] == 3600
    assert shown["delay_notice_seconds"] is None
    assert shown["size_limit_octets"] == 1_000_000
    assert shown["enabled"] is True
    assert len(shown["id"]) == 13


def test_change_keeps_what_is_not_given(service: Service) -> None:
    """A limit goes with `none`, everything else stays."""
    service.do("tenant", "add", "acme", "--size-limit", "1000000", "--keep-days", "3")

    service.do("tenant", "change", "acme", "--size-limit", "none")

    shown = service.json("tenant", "show", "acme")
    assert (shown["size_limit_octets"], shown["keep_content_days"]) == (None, 3)


@pytest.mark.parametrize(
    "words",
    [
        "tenant change --keep-days 36501",
        "tenant change --suppress-days 36501",
        "tenant change --give-up 2147483648",
        "tenant change --retry-longest 2147483648",
        "tenant change --size-limit 2147483648",
        "account change printer@example.org --recipients-per-day 2147483648",
        "route add --smarthost relay.example --connections 2147483648",
        "route add --smarthost relay.example --per-day 2147483648",
        "queue cap mx:example.org --connections 2147483648",
        "queue list --limit 9223372036854775808",
        "capture list --limit 9223372036854775808",
        "session list --limit 9223372036854775808",
        "trace @example.org --limit 9223372036854775808",
    ],
)
def test_numbers_are_those_that_every_database_holds(office: Service, words: str) -> None:
    """What is larger is a usage error, and no date that no calendar has comes from it later."""
    result = office.run(*words.split())

    assert result.exit_code == EX_USAGE, result.stderr


def test_tenant_can_be_left_out_while_there_is_one(service: Service) -> None:
    """With one tenant nobody has to name it; with two it is a usage error that names them."""
    service.do("tenant", "add", "default")
    service.do("domain", "add", "example.org")
    service.do("tenant", "add", "acme")

    result = service.run("domain", "add", "example.net")

    assert result.exit_code == EX_USAGE
    assert "acme" in result.stderr
    assert "default" in result.stderr
    service.do("domain", "add", "example.net", "--tenant", "acme")
    assert [d["tenant"] for d in service.json("domain", "list")] == ["acme", "default"]


def test_disabled_tenant_says_so(service: Service) -> None:
    """`--disable` and `--enable` switch a whole organisation."""
    service.do("tenant", "add", "acme")

    service.do("tenant", "change", "acme", "--disable")
    assert service.json("tenant", "show", "acme")["enabled"] is False

    service.do("tenant", "change", "acme", "--enable")
    assert service.json("tenant", "show", "acme")["enabled"] is True


def test_account_outside_of_all_domains_is_refused(office: Service) -> None:
    """EX_DATAERR, and the fix is in the line."""
    result = office.run("account", "add", "printer@elsewhere.example")

    assert result.exit_code == EX_DATA
    assert "pillarbox domain add elsewhere.example" in result.stderr
    assert len(office.json("account", "list")) == 1


def test_account_in_the_domain_of_another_tenant_is_refused(office: Service) -> None:
    """`--tenant` is checked against the owner of the domain."""
    office.do("tenant", "add", "acme")

    result = office.run("account", "add", "other@example.org", "--tenant", "acme")

    assert result.exit_code == EX_DATA
    assert "example.org" in result.stderr


@pytest.mark.parametrize("typed", ["printr@example.org", "PRINTR", "printer@example.com"])
def test_unknown_account_names_the_one_that_was_meant(office: Service, typed: str) -> None:
    """EX_NOUSER, with the closest name."""
    result = office.run("account", "show", typed)

    assert result.exit_code == EX_NO_SUCH
    assert "did you mean printer@example.org?" in result.stderr


def test_unknown_tenant_names_the_one_that_was_meant(office: Service) -> None:
    """The same for every kind of name."""
    result = office.run("account", "list", "--tenant", "defualt")

    assert result.exit_code == EX_NO_SUCH
    assert "did you mean default?" in result.stderr


def test_address_is_found_in_any_case(office: Service) -> None:
    """Addresses are compared as logins are."""
    assert office.json("account", "show", "Printer@EXAMPLE.org")["address"] == "printer@example.org"


def test_account_can_be_switched_off(office: Service) -> None:
    """It stays, with its credentials."""
    office.do("account", "change", "printer@example.org", "--disable")

    assert office.json("account", "show", "printer@example.org")["enabled"] is False


def test_account_can_be_limited(office: Service) -> None:
    """A number of recipients a day, or what the tenant says."""
    office.do("account", "change", "printer@example.org", "--recipients-per-day", "500")
    office.do("tenant", "change", "--account-recipients-per-day", "2000")
    limited = office.json("account", "show", "printer@example.org")
    office.do("account", "change", "printer@example.org", "--recipients-per-day", "none")

    assert limited["recipients_per_day"] == 500
    assert limited["enabled"] is True
    assert office.json("account", "show", "printer@example.org")["recipients_per_day"] is None
    assert office.json("tenant", "show")["account_recipients_per_day"] == 2000


def test_account_can_be_held_and_released(office: Service) -> None:
    """It says why, and stays able to log in."""
    office.do("account", "hold", "printer@example.org", "--reason", "sends at night")
    held = office.json("account", "show", "printer@example.org")
    office.do("account", "release", "printer@example.org")

    assert (held["enabled"], held["hold_reason"]) == (True, "sends at night")
    assert held["held_at"]
    assert office.json("account", "show", "printer@example.org")["held_at"] is None


def test_removal_needs_a_yes_where_nobody_can_be_asked(office: Service) -> None:
    """A script must mean it."""
    refused = office.run("account", "remove", "printer@example.org")
    office.do("account", "remove", "printer@example.org", "--yes")

    assert refused.exit_code == EX_USAGE
    assert "--yes" in refused.stderr
    assert office.json("account", "list") == []


def test_domain_shows_its_accounts(office: Service) -> None:
    """Whoever wants to remove a domain sees what is in the way."""
    office.do("domain", "add", "example.net")
    office.do("account", "add", "app@example.net")

    shown = office.json("domain", "show", "EXAMPLE.net")

    assert (shown["name"], shown["tenant"]) == ("example.net", "default")
    assert shown["accounts"] == ["app@example.net"]
    assert "app@example.net" in office.do("domain", "show", "example.net")
    assert office.run("domain", "show", "example.com").exit_code == 67


def test_domain_with_an_account_stays(office: Service) -> None:
    """Nobody loses an account by removing a domain."""
    result = office.run("domain", "remove", "example.org")

    assert result.exit_code == EX_DATA
    assert "printer@example.org" in result.stderr


def test_send_as_right_comes_and_goes(office: Service) -> None:
    """Patterns are an address or a whole domain."""
    office.do("send-as", "add", "printer@example.org", "scanner@example.org")
    office.do("send-as", "add", "printer@example.org", "@example.org")

    assert office.json("send-as", "list") == [
        {"account": "printer@example.org", "pattern": "@example.org"},
        {"account": "printer@example.org", "pattern": "scanner@example.org"},
    ]

    office.do("send-as", "remove", "printer@example.org", "@example.org")
    missing = office.run("send-as", "remove", "printer@example.org", "scaner@example.org")

    assert missing.exit_code == EX_NO_SUCH
    assert "did you mean scanner@example.org?" in missing.stderr


def test_send_as_of_another_organisation_is_refused(office: Service) -> None:
    """The right ends at the tenant's domains."""
    result = office.run("send-as", "add", "printer@example.org", "boss@other.example")

    assert result.exit_code == EX_DATA


def test_lists_are_plain_text_without_a_terminal(office: Service) -> None:
    """Piped output is aligned and complete: no frames, no colours, nothing cut off."""
    long = "a" * 60 + "@example.org"
    office.do("account", "add", long)

    lines = office.do("account", "list").splitlines()

    assert lines[0].startswith("ACCOUNT ")
    assert lines[1].startswith(long)
    assert {line.index("default") for line in lines[1:]} == {lines[0].index("TENANT")}


def test_empty_lists_are_json_too(service: Service) -> None:
    """A program reads [] and not a sentence; people read what to do next."""
    assert service.json("account", "list") == []
    assert "pillarbox account add" in service.do("account", "list")


def test_without_a_database_the_service_must_start_first(service: Service) -> None:
    """EX_UNAVAILABLE; no empty database is made by looking."""
    file = service.config_file.parent / "elsewhere.toml"
    file.write_text('data_directory = "other"\nhost_name = "mail.example.org"\n')

    result = service.run("tenant", "list", "--config", str(file))

    assert result.exit_code == EX_UNAVAILABLE
    assert "pillarbox serve" in result.stderr
    assert not (file.parent / "other").exists()


def test_domain_can_be_given_to_another_tenant(office: Service) -> None:
    """While nobody has an address in it; its keys stay, rights to send as its addresses go."""
    office.do("tenant", "add", "acme")
    office.do("domain", "add", "example.net", "--tenant", "default")
    office.do("send-as", "add", "printer@example.org", "@example.net")
    office.do("dkim", "create", "example.net")

    assert office.json("domain", "change", "example.net", "--tenant", "acme")["tenant"] == "acme"

    assert office.json("send-as", "list", "printer@example.org") == []
    assert [key["domain"] for key in office.json("dkim", "list")] == ["example.net"]
    assert office.run("domain", "change", "example.net", "--tenant", "acme").exit_code == EX_DATA
    result = office.run("domain", "change", "example.org", "--tenant", "acme")
    assert result.exit_code == EX_DATA
    assert "printer@example.org" in result.stderr
    assert office.json("domain", "show", "example.org")["tenant"] == "default"


def test_a_domain_has_a_return_path(office: Service) -> None:
    """Another domain of its tenant alone; it is over when that goes, or is given away."""
    change = ("domain", "change", "example.org")
    result = office.run(*change, "--return-path", "bounces.example.org")
    assert result.exit_code == EX_DATA
    assert "pillarbox domain add bounces.example.org" in result.stderr
    office.do("tenant", "add", "acme")
    office.do("domain", "add", "example.net", "--tenant", "acme", "--proof", "administrator")
    assert office.run(*change, "--return-path", "example.net").exit_code == EX_DATA

    office.do("domain", "add", "bounces.example.org", "--tenant", "default")
    assert "bounces.example.org" in office.do(*change, "--return-path", "Bounces.example.org")
    shown = office.json("domain", "show", "example.org")
    assert shown["return_path"] == "bounces.example.org"
    assert shown["feedback_address"].startswith("feedback-")
    assert shown["feedback_address"] in office.do("domain", "show", "example.org")
    assert office.json(*change, "--return-path", "none")["return_path"] is None
    office.do(*change, "--return-path", "bounces.example.org")
    office.do("domain", "change", "bounces.example.org", "--tenant", "acme")

    assert office.json("domain", "show", "example.org")["return_path"] is None
    assert office.run(*change).exit_code == EX_USAGE
