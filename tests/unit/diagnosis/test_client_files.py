"""What clients are set to, from their own files (pillarbox.diagnosis.client_files)."""

import pytest

from pillarbox.diagnosis.client_files import read_client_file
from pillarbox.errors import AddressError
from pillarbox.publish.client_settings import Encryption

TLS, STARTTLS = Encryption.TLS, Encryption.STARTTLS

MSMTP = """\
# work
account default
host smtp.corp.com
port 587
tls on
auth on
user ann@corp.com
from scans@corp.com
password s3cret
"""
POSTFIX = "myhostname = a.corp.com\nrelayhost = [smtp.corp.com]:{}\nsmtp_tls_security_level = {}\n"
DJANGO = """\
EMAIL_HOST = "smtp.corp.com"
EMAIL_PORT = 465  # ours
EMAIL_USE_TLS = True
EMAIL_HOST_USER = 'ann@corp.com'
EMAIL_HOST_PASSWORD = "s3cret"
"""


@pytest.mark.parametrize(
    ("text", "kind", "port", "encryption", "in_clear"),
    [
        (MSMTP, "msmtp", 587, STARTTLS, False),
        (MSMTP.replace("tls on", "tls off"), "msmtp", 587, STARTTLS, True),
        (f"{MSMTP}tls_starttls off\n", "msmtp", 587, TLS, False),
        (POSTFIX.format(587, "encrypt"), "Postfix", 587, STARTTLS, False),
        (POSTFIX.format("submission", "may"), "Postfix", 587, STARTTLS, True),
        (POSTFIX.format(465, "encrypt\nsmtp_tls_wrappermode = yes"), "Postfix", 465, TLS, False),
        ("mailhub=smtp.corp.com:587\nUseSTARTTLS=YES\n", "ssmtp", 587, STARTTLS, False),
        ("mailhub=smtp.corp.com\n", "ssmtp", 25, STARTTLS, True),
        (DJANGO, "Django", 465, STARTTLS, False),
        (
            "MAILER_DSN=smtp://ann%40corp.com:s3cret@smtp.corp.com:587\n",
            "a URL",
            587,
            STARTTLS,
            False,
        ),
        ("EMAIL_URL=smtps://ann:s3cret@smtp.corp.com\n", "a URL", 465, TLS, False),
        (
            "MAIL_HOST=smtp.corp.com\nMAIL_PORT=587\nMAIL_ENCRYPTION=ssl\n",
            "variables",
            587,
            TLS,
            False,
        ),
        ("SMTP_HOST=smtp.corp.com\nSMTP_SECURITY=off\n", "variables", 587, STARTTLS, True),
    ],
)
def test_settings_are_read(
    text: str, kind: str, port: int, encryption: Encryption, in_clear: bool
) -> None:
    """Host, port and way as the client would use them, right or wrong."""
    found = read_client_file(text, "file")

    assert found.kind == kind
    assert found.target.host == "smtp.corp.com"
    assert (found.target.port, found.target.encryption) == (port, encryption)
    assert found.in_clear is in_clear
    assert "s3cret" not in repr(found)


def test_user_and_sender_are_read() -> None:
    """The sender's domain is looked at."""
    found = read_client_file(MSMTP, "msmtprc")

    assert (found.username, found.sender) == ("ann@corp.com", "scans@corp.com")


@pytest.mark.parametrize(
    "text", ["", "hello\n", "SMTP_HOST=\n", "MAIL_HOST=a b\n", "EMAIL_URL=smtp://\n"]
)
def test_file_without_settings_is_refused(text: str) -> None:
    """With a word on what is known."""
    with pytest.raises(AddressError):
        read_client_file(text, "file")
