"""The settings card and its snippets (pillarbox.publish)."""

import shlex
import subprocess

import pytest

from pillarbox.publish.card import CARD_COLUMNS, render_card
from pillarbox.publish.client_settings import (
    PASSWORD_PLACEHOLDER,
    ClientSettings,
    Door,
    Encryption,
)
from pillarbox.publish.snippets import SNIPPET_NAMES, make_snippets

STARTTLS = Door(1587, Encryption.STARTTLS)
TLS = Door(1465, Encryption.TLS)
PASSWORD = "k'7\"x\\n$HOME`id`@PORT@"
DOORS = [pytest.param((STARTTLS,), id="starttls"), pytest.param((STARTTLS, TLS), id="tls")]


def _settings(
    doors: tuple[Door, ...] = (STARTTLS, TLS),
    *,
    password: str = PASSWORD,
    ca_file: str = "/d/ca.pem",
) -> ClientSettings:
    return ClientSettings("mail.example.org", doors, "printer@example.org", password, ca_file)


def _text(settings: ClientSettings, name: str) -> str:
    return next(snippet.text for snippet in make_snippets(settings) if snippet.name == name)


def test_card_names_all_settings() -> None:
    """Server, both ports, user name, password and CA file stand above the snippets."""
    head = render_card(_settings(password="Simple2Read")).partition("\n---")[0]

    for fact in ("mail.example.org", "1587", "1465", "printer@example.org", "Simple2Read"):
        assert fact in head
    assert "/d/ca.pem" in head


def test_card_without_password_says_how_to_make_one() -> None:
    """A password is shown once; the card for later says where a new one comes from."""
    card = render_card(_settings(password=""))

    assert "pillarbox credential add printer@example.org --label" in card
    assert PASSWORD_PLACEHOLDER in card


@pytest.mark.parametrize("ca_file", ["", "/srv/pillarbox/data/ca.pem"])
@pytest.mark.parametrize("doors", DOORS)
def test_card_fits_the_terminal(doors: tuple[Door, ...], ca_file: str) -> None:
    """No line of a usual card is longer than 100 columns."""
    card = render_card(_settings(doors, password="AbCd-EfGh-JkMn-PqRs", ca_file=ca_file))

    assert max(map(len, card.splitlines())) <= CARD_COLUMNS


def test_card_can_show_one_snippet() -> None:
    """`only` leaves out the other clients."""
    card = render_card(_settings(), only="php")

    assert "PHPMailer" in card
    assert "smtplib" not in card


def test_snippet_names_are_the_names_of_the_snippets() -> None:
    """The closed list for options agrees with what is made."""
    assert tuple(snippet.name for snippet in make_snippets(_settings())) == SNIPPET_NAMES


@pytest.mark.parametrize("ca_file", ["", "/d/ca.pem"])
@pytest.mark.parametrize("name", SNIPPET_NAMES)
def test_no_mark_is_left_in_a_snippet(name: str, ca_file: str) -> None:
    """Every mark of a template is filled, and a password that looks like a mark stays as it is."""
    text = _text(_settings(password="", ca_file=ca_file), name)

    assert "@" not in text.replace("printer@example.org", "").replace("someone@example.net", "")
    assert "@PORT@" in _text(_settings(), name)


@pytest.mark.parametrize("doors", DOORS)
@pytest.mark.parametrize("ca_file", ["", "/d/ca.pem"])
def test_python_snippet_compiles(doors: tuple[Door, ...], ca_file: str) -> None:
    """The snippet for Python is a program, whatever the password holds."""
    compile(_text(_settings(doors, ca_file=ca_file), "python"), "snippet", "exec")


@pytest.mark.parametrize("doors", DOORS)
@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("curl", "--user", f"printer@example.org:{PASSWORD}"),
        ("curl", "--cacert", "/d/ca.pem"),
        ("swaks", "--auth-password", PASSWORD),
        ("swaks", "--tls-ca-path", "/d/ca.pem"),
    ],
)
def test_shell_snippets_keep_the_arguments(
    doors: tuple[Door, ...], name: str, option: str, value: str
) -> None:
    """The shell hands the program exactly the password, quotes and dollar signs included."""
    words = shlex.split(_text(_settings(doors), name).replace("\\\n", " "))

    assert words[words.index(option) + 1] == value


def test_curl_snippet_sends_a_whole_message() -> None:
    """What the shell pipes into curl is a message with CRLF line ends (RFC 5322 section 2.1)."""
    text = _text(_settings(), "curl").partition("|")[0]

    message = subprocess.run(["sh", "-c", text], capture_output=True, check=True).stdout

    assert message == (
        b"From: printer@example.org\r\nTo: someone@example.net\r\nSubject: Test\r\n\r\nHello\r\n"
    )


def test_snippets_insist_on_encryption_with_starttls() -> None:
    """With STARTTLS no snippet goes on in plain text when the server does not offer it."""
    settings = _settings((STARTTLS,))

    assert "smtp.starttls(context=tls)" in _text(settings, "python")
    assert "requireTLS: true" in _text(settings, "node")
    assert "SecureSocketOptions.StartTls)" in _text(settings, "dotnet")
    assert '"mail.smtp.starttls.required", "true"' in _text(settings, "java")
    assert "--ssl-reqd" in _text(settings, "curl")
    assert " --tls " in _text(settings, "swaks")
    assert "EMAIL_USE_TLS = True" in _text(settings, "django")
    assert "tls on\ntls_starttls on" in _text(settings, "msmtp")
    assert "smtp_tls_security_level = secure" in _text(settings, "postfix")
    assert "EnableSsl = $true" in _text(settings, "powershell")


def test_sender_is_the_address_where_the_user_name_is_another() -> None:
    """Some servers want a customer's number or the word apikey as user name."""
    settings = ClientSettings("smtp.example.org", (TLS,), "apikey", sender_address="me@example.org")

    for name in SNIPPET_NAMES:
        text = _text(settings, name)
        assert "me@example.org" in text, name
        assert "apikey" in text, name


def test_mechanism_is_named_where_only_one_is_offered() -> None:
    """Microsoft 365 has no PLAIN: a client that is told to use it would fail."""
    settings = ClientSettings("smtp.example.org", (TLS,), "a@example.org", mechanisms=("LOGIN",))

    assert "--auth LOGIN" in _text(settings, "swaks")
    assert "PLAIN" not in _text(settings, "printer")


@pytest.mark.parametrize("doors", DOORS)
def test_django_settings_are_python(doors: tuple[Door, ...]) -> None:
    """What stands there, Django reads."""
    found: dict[str, object] = {}
    exec(_text(_settings(doors), "django"), found)  # noqa: S102 - that is what the settings are for

    assert found["EMAIL_HOST_PASSWORD"] == PASSWORD
    assert found["SERVER_EMAIL"] == "printer@example.org"


def test_powershell_without_starttls_uses_curl() -> None:
    """.NET's own client knows no TLS from the first octet."""
    assert "smtps://mail.example.org:1465" in _text(_settings((TLS,)), "powershell")
    assert "SmtpClient" not in _text(_settings((TLS,)), "powershell")


def test_snippets_prefer_implicit_tls() -> None:
    """RFC 8314 section 3.3: TLS from the first byte is preferred where both are offered."""
    settings = _settings((STARTTLS, TLS))

    for name in set(SNIPPET_NAMES) - {"powershell", "printer"}:
        assert "1465" in _text(settings, name)
        assert "1587" not in _text(settings, name)


def test_printer_form_offers_both_ports() -> None:
    """A device can do one way of encryption or the other, so the form names both ports."""
    form = _text(_settings((STARTTLS, TLS)), "printer")

    assert "1587" in form
    assert "1465" in form


def test_ipv6_server_is_bracketed_in_a_url() -> None:
    """RFC 3986 section 3.2.2: an IPv6 literal stands in brackets."""
    settings = ClientSettings("::1", (TLS,), "a@example.org")

    assert "smtps://[::1]:1465" in _text(settings, "curl")
