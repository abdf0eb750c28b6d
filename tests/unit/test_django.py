"""The e-mail backend for Django (pillarbox.django), through Django's own functions."""

import threading
from collections.abc import Iterator
from typing import Any

import django
import pytest
from django.conf import settings
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.test.utils import override_settings
from tests.e2e.waiting import wait_until

from pillarbox.client import ArgumentError, LoginError, MessageRefused
from pillarbox.django import EmailBackend, close_connections
from pillarbox.testing import SmtpServer

BACKEND = "pillarbox.django.EmailBackend"
HAS_MAILERS = django.VERSION >= (6, 1)

if not settings.configured:
    settings.configure(DEFAULT_FROM_EMAIL="App <app@example.com>")

pytestmark = pytest.mark.filterwarnings("ignore:.*(EMAIL_|get_connection|MAILERS)")


def usual(server: SmtpServer, **changes: Any) -> dict[str, Any]:
    """Options by the names of Django's own backend, and the authority of the server."""
    return {
        "host": server.host,
        "port": server.port,
        "username": server.username,
        "password": server.password,
        "use_tls": True,
        "ca_file": str(server.ca_file),
        **changes,
    }


LEGACY = {
    "host": "EMAIL_HOST",
    "port": "EMAIL_PORT",
    "username": "EMAIL_HOST_USER",
    "password": "EMAIL_HOST_PASSWORD",
    "use_tls": "EMAIL_USE_TLS",
    "use_ssl": "EMAIL_USE_SSL",
    "timeout": "EMAIL_TIMEOUT",
}


def configured(options: dict[str, Any]) -> override_settings:
    """The settings of a project: EMAIL_*, or MAILERS where this Django has it."""
    if HAS_MAILERS:
        return override_settings(MAILERS={"default": {"BACKEND": BACKEND, "OPTIONS": options}})
    old = {LEGACY[name]: value for name, value in options.items() if name in LEGACY}
    rest = {name: value for name, value in options.items() if name not in LEGACY}
    return override_settings(EMAIL_BACKEND=BACKEND, PILLARBOX_EMAIL=rest, **old)


@pytest.fixture(autouse=True)
def close(smtp_server: SmtpServer) -> Iterator[None]:
    """Connections do not outlive the server."""
    del smtp_server
    yield
    close_connections()


@pytest.fixture
def project(smtp_server: SmtpServer) -> Iterator[SmtpServer]:
    """A project that sends by the server for tests."""
    with configured(usual(smtp_server)):
        yield smtp_server


def test_mail_goes_out_as_django_made_it(project: SmtpServer) -> None:
    """Text and HTML, names beyond ASCII, Bcc in the envelope alone; over TLS, logged in."""
    message = mail.EmailMultiAlternatives(
        "Grüße",
        "Über alles.\n",
        "Jörg <app@example.com>",
        ["Ann <ann@example.net>"],
        bcc=["hidden@example.net"],
    )
    message.attach_alternative("<p>Über alles.</p>", "text/html")
    message.attach("a.bin", b"\x00\x01", "application/octet-stream")

    assert message.send() == 1

    received = project.wait_for(subject="Grüße")
    assert (received.sender, received.login) == ("app@example.com", project.username)
    assert received.recipients == ("ann@example.net", "hidden@example.net")
    assert (received.text.strip(), received.html.strip()) == ("Über alles.", "<p>Über alles.</p>")
    assert received.attachments == {"a.bin": b"\x00\x01"}
    assert b"hidden" not in received.raw
    assert received.raw.count(b"\n") == received.raw.count(b"\r\n")
    assert received.tls == "TLSv1.3"


def test_connection_is_kept_from_call_to_call(project: SmtpServer) -> None:
    """send_mail makes a backend each time; the server sees one connection, threads or not."""

    def send() -> None:
        mail.send_mail("One", "x", None, ["ann@example.net"])

    for _ in range(3):
        send()
    thread = threading.Thread(target=send)
    thread.start()
    thread.join()

    assert len(project.wait_for_count(4)) == 4
    assert project.connections == 1


def test_more_ways_than_are_kept_end_no_message(smtp_server: SmtpServer) -> None:
    """A site with settings for each tenant: who waits for a connection is not told that the client
    was closed, when others have taken its place."""
    smtp_server.delay("mail", 1.0, times=5)
    counts: list[int] = []

    def send(**changes: Any) -> None:
        backend = EmailBackend(alias="x", fail_silently=True, **usual(smtp_server, **changes))
        message = mail.EmailMessage("One", "x", "app@example.com", ["ann@example.net"])
        counts.append(backend.send_messages([message]))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    wait_until(lambda: smtp_server.connections == 5, 20, "five connections")
    for number in range(20):
        send(host="127.0.0.1", port=1, username=f"tenant{number}")
    for thread in threads:
        thread.join()

    assert sorted(counts) == [0] * 20 + [1] * 6


def test_the_way_that_is_used_most_keeps_its_connection(smtp_server: SmtpServer) -> None:
    """Those that were not used for longest give way to others."""
    message = mail.EmailMessage("One", "x", "app@example.com", ["ann@example.net"])

    for number in range(17):
        assert EmailBackend(alias="x", **usual(smtp_server)).send_messages([message]) == 1
        other = usual(smtp_server, port=1, username=f"tenant{number}", fail_silently=True)
        assert EmailBackend(alias="x", **other).send_messages([message]) == 0

    assert smtp_server.connections == 1


def test_result_of_each_recipient_can_be_read(project: SmtpServer) -> None:
    """One was refused: the message counts as sent, and says for whom it was not."""
    project.fail("rcpt", "550 5.1.1 Gone", only="gone@example.net")
    message = mail.EmailMessage("One", "x", None, ["ann@example.net", "gone@example.net"])

    assert message.send() == 1

    assert message.pillarbox_result["gone@example.net"].enhanced_code == "5.1.1"
    assert message.pillarbox_result["ann@example.net"].is_accepted


def test_refusal_is_an_error_with_its_fix_unless_told_otherwise(project: SmtpServer) -> None:
    """fail_silently is for those who do not want to know."""
    project.fail("rcpt", "550 5.1.1 Gone", times=None)

    def send(**options: bool) -> int:
        return int(mail.EmailMessage("One", "x", None, ["gone@example.net"]).send(**options))

    with pytest.raises(MessageRefused):
        send()
    assert send(fail_silently=True) == 0
    with configured(usual(project, password="wrong")), pytest.raises(LoginError) as raised:
        send()
    assert raised.value.fix


def test_two_addresses_in_one_text_are_refused(project: SmtpServer) -> None:
    """Not sent to the first alone, while the header names both."""
    for both in ("ann@example.net, bob@example.net", "Ann <ann@example.net>, Bob <b@example.net>"):
        with pytest.raises(ArgumentError, match="is no address"):
            mail.send_mail("Hello", "x", None, [both])

    assert project.messages == []


def test_setting_that_there_is_not_is_named() -> None:
    """A typing error in it would look like a setting that holds."""
    with (
        override_settings(EMAIL_BACKEND=BACKEND, PILLARBOX_EMAIL={"ca_flie": "ca.pem"}),
        pytest.raises(ImproperlyConfigured, match=r"'ca_flie'.*ca_file"),
    ):
        EmailBackend()
    wrong: list[dict[str, Any]] = [{"tls": "none"}, {"ssl_keyfile": "key.pem"}]
    for options in wrong:
        with pytest.raises(ImproperlyConfigured, match=next(iter(options))):
            EmailBackend(host="localhost", **options)


@pytest.mark.parametrize("way", ["use_ssl", "server", "profile"])
def test_server_can_be_said_in_several_ways(
    smtp_server: SmtpServer, way: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS from the first octet by Django's name, a URL, or a profile of client.toml."""
    url = f"smtps://{smtp_server.host}:{smtp_server.tls_port}"
    file = tmp_path / "client.toml"
    file.write_text(f'[profiles.web]\nserver = "{url}"\nca_file = "{smtp_server.ca_file}"\n')
    file.chmod(0o600)
    monkeypatch.setenv("PILLARBOX_CLIENT_CONFIG", str(file))
    options: dict[str, Any] = {
        "use_ssl": usual(smtp_server, port=smtp_server.tls_port, use_tls=False, use_ssl=True),
        "server": {"server": url, "ca_file": str(smtp_server.ca_file)},
        "profile": {"profile": "web"},
    }[way]

    with configured(options):
        mail.send_mail("One", "x", None, ["ann@example.net"])

    assert smtp_server.wait_for(subject="One").tls == "TLSv1.3"


@pytest.mark.smtp_server(starttls=False)
def test_nothing_goes_in_the_clear_unless_it_is_said(smtp_server: SmtpServer) -> None:
    """Also where Django's use_tls is off."""
    options = usual(smtp_server, use_tls=False, username="", password="")

    with configured(options), pytest.raises(Exception, match="TLS"):
        mail.send_mail("One", "x", None, ["ann@example.net"])
    assert smtp_server.messages == []

    with configured({**options, "tls": "opportunistic"}):
        mail.send_mail("One", "x", None, ["ann@example.net"])
    assert smtp_server.wait_for(subject="One").tls == ""


def test_options_of_a_mailer_stand_alone(smtp_server: SmtpServer) -> None:
    """With an alias, as MAILERS of Django 6.1 makes it, no EMAIL_* setting counts."""
    backend = EmailBackend(alias="reports", **usual(smtp_server))
    message = mail.EmailMessage("One", "x", "app@example.com", ["ann@example.net"])

    assert backend.send_messages([message]) == 1

    assert smtp_server.wait_for(subject="One").login == smtp_server.username
    with pytest.raises(ImproperlyConfigured, match="say by which server"):
        EmailBackend(alias="reports")
    with pytest.raises(ImproperlyConfigured, match="exclude each other"):
        EmailBackend(alias="reports", host="x", use_tls=True, use_ssl=True)


def test_the_way_does_not_show_its_password() -> None:
    """Reports of errors have the values of all variables in them."""
    backend = EmailBackend(
        server="submission://mx.test", username="app", password="Pw-of-the-test_7"
    )

    assert "Pw-of-the-test_7" not in repr(backend._way)
