"""Examples for mail programs and shells: commands and configurations. Pure.

Every one verifies the server's certificate, logs in and insists on encryption.
"""

from pillarbox.publish.client_settings import (
    EXAMPLE_RECIPIENT,
    PASSWORD_PLACEHOLDER,
    ClientSettings,
    Encryption,
)
from pillarbox.publish.literals import powershell_literal, shell_literal
from pillarbox.publish.template import fill


def curl(settings: ClientSettings) -> str:
    """curl in a POSIX shell."""
    door = settings.preferred_door()
    scheme = "smtps" if door.encryption is Encryption.TLS else "smtp"
    host = f"[{settings.server}]" if ":" in settings.server else settings.server
    # printf takes its format again for each argument.
    header = (f"From: {settings.sender}", f"To: {EXAMPLE_RECIPIENT}", "Subject: Test")
    lines = " ".join(map(shell_literal, (*header, "", "Hello")))
    # Without a password curl asks for it.
    login = f"{settings.username}:{settings.password}" if settings.password else settings.username
    options = [
        f"curl --ssl-reqd --url {shell_literal(f'{scheme}://{host}:{door.port}')}",
        f"--user {shell_literal(login)}",
        f"--mail-from {shell_literal(settings.sender)} --mail-rcpt {EXAMPLE_RECIPIENT}",
        "--upload-file -",
    ]
    if settings.ca_file:
        options.insert(1, f"--cacert {shell_literal(settings.ca_file)}")
    return f"printf '%s\\r\\n' {lines} |\n  " + " \\\n    ".join(options)


def swaks(settings: ClientSettings) -> str:
    """swaks in a POSIX shell."""
    door = settings.preferred_door()
    tls = "--tls-on-connect" if door.encryption is Encryption.TLS else "--tls"
    options = [
        f"swaks --server {shell_literal(settings.server)} --port {door.port} {tls} --tls-verify",
        f"--auth {settings.mechanism} --auth-user {shell_literal(settings.username)}",
        f"--from {shell_literal(settings.sender)} --to {EXAMPLE_RECIPIENT}",
    ]
    if settings.ca_file:
        options.insert(1, f"--tls-ca-path {shell_literal(settings.ca_file)}")
    if settings.password:
        # Without it swaks asks.
        options.insert(-1, f"--auth-password {shell_literal(settings.password)}")
    return " \\\n  ".join(options)


def msmtp(settings: ClientSettings) -> str:
    """A file for msmtp. A value in quotation marks is taken as it is, whatever stands in it."""
    door = settings.preferred_door()
    starttls = "on" if door.encryption is Encryption.STARTTLS else "off"
    lines = [
        "# ~/.msmtprc, mode 600; then: msmtp someone@example.net < message",
        "defaults",
        "auth on",
        "tls on",
        f"tls_starttls {starttls}",
        *([f'tls_trust_file "{settings.ca_file}"'] if settings.ca_file else []),
        "account default",
        f"host {settings.server}",
        f"port {door.port}",
        f'from "{settings.sender}"',
        f'user "{settings.username}"',
        f'password "{settings.password or PASSWORD_PLACEHOLDER}"',
    ]
    return "\n".join(lines)


def postfix(settings: ClientSettings) -> str:
    """A shell script that has Postfix hand on all mail."""
    door = settings.preferred_door()
    hop = f"[{settings.server}]:{door.port}"
    parameters = {
        "relayhost": hop,
        "smtp_sasl_auth_enable": "yes",
        "smtp_sasl_password_maps": "texthash:/etc/postfix/sasl_passwd",
        # The default refuses PLAIN and LOGIN, which TLS makes safe.
        "smtp_sasl_security_options": "noanonymous",
        "smtp_tls_security_level": "secure",
        "smtp_tls_CAfile": settings.ca_file or "/etc/ssl/certs/ca-certificates.crt",
    }
    if door.encryption is Encryption.TLS:
        parameters["smtp_tls_wrappermode"] = "yes"
    words = [shell_literal(f"{name} = {value}") for name, value in parameters.items()]
    login = f"{settings.username}:{settings.password or PASSWORD_PLACEHOLDER}"
    return "\n".join(
        [
            "# As root. Debian and Ubuntu also need the package libsasl2-modules.",
            "# The server must be a name: Postfix does not compare addresses with certificates.",
            "postconf -e " + " \\\n  ".join(words),
            "install -m 600 /dev/null /etc/postfix/sasl_passwd",
            f"printf '%s %s\\n' {shell_literal(hop)} {shell_literal(login)} \\",
            "  > /etc/postfix/sasl_passwd",
            "postfix reload",
            "# Every sender must be the account's address; to make it so:",
            f"# postconf -e {shell_literal(f'sender_canonical_maps = static:{settings.sender}')}",
        ]
    )


def powershell(settings: ClientSettings) -> str:
    """PowerShell with what Windows has: .NET's own client, which knows STARTTLS alone, or else the
    curl.exe of Windows 10 and later."""
    door = settings.door_with(Encryption.STARTTLS)
    facts = {"TRUST": ""}
    if settings.ca_file:
        facts["TRUST"] = (
            "Import-Certificate -CertStoreLocation Cert:\\CurrentUser\\Root"
            f" -FilePath {powershell_literal(settings.ca_file)}"
        )
    if door is not None:
        return fill(_POWERSHELL, settings, powershell_literal, {**facts, "PORT": str(door.port)})
    host = f"[{settings.server}]" if ":" in settings.server else settings.server
    login = f"{settings.username}:{settings.password or PASSWORD_PLACEHOLDER}"
    facts["URL"] = powershell_literal(f"smtps://{host}:{settings.preferred_door().port}")
    facts["LOGIN"] = powershell_literal(login)
    return fill(_POWERSHELL_CURL, settings, powershell_literal, facts)


_POWERSHELL = """
@TRUST@
$from, $to = @SENDER@, @RECIPIENT@
$message = New-Object Net.Mail.MailMessage($from, $to, 'Test', 'Hello')
$client = New-Object Net.Mail.SmtpClient(@SERVER@, @PORT@)
$client.EnableSsl = $true
$client.Credentials = New-Object Net.NetworkCredential(@USER@, @PASSWORD@)
$client.Send($message)
"""

_POWERSHELL_CURL = """
@TRUST@
# .NET's own client can not do TLS from the first byte.
$from, $to = @SENDER@, @RECIPIENT@
"From: $from", "To: $to", "Subject: Test", "", "Hello" |
  curl.exe --ssl-reqd --url @URL@ --user @LOGIN@ `
    --mail-from $from --mail-rcpt $to --crlf --upload-file -
"""
