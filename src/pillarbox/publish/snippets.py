"""Code and forms that send a first mail when pasted, one for each kind of client. Pure.

Every snippet verifies the server's certificate, logs in and insists on encryption.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pillarbox.publish.client_settings import (
    EXAMPLE_RECIPIENT,
    PASSWORD_PLACEHOLDER,
    ClientSettings,
    Encryption,
)
from pillarbox.publish.literals import (
    csharp_literal,
    java_literal,
    javascript_literal,
    php_literal,
    python_literal,
    shell_literal,
)
from pillarbox.publish.printer_form import printer_form

_MARK = re.compile(r"@([A-Z_]+)@")


@dataclass(frozen=True, slots=True)
class Snippet:
    """A ready example: `name` for programs and options, `title` for people."""

    name: str
    title: str
    text: str


def make_snippets(settings: ClientSettings) -> tuple[Snippet, ...]:
    """All snippets for these settings, in the order of the card."""
    return (
        Snippet("python", "Python (smtplib)", _python(settings)),
        Snippet("node", "Node.js (nodemailer)", _node(settings)),
        Snippet("php", "PHP (PHPMailer)", _php(settings)),
        Snippet("dotnet", ".NET (MailKit)", _dotnet(settings)),
        Snippet("java", "Java (Jakarta Mail)", _java(settings)),
        Snippet("curl", "curl", _curl(settings)),
        Snippet("swaks", "swaks", _swaks(settings)),
        Snippet("printer", "Printer, scanner or other device", printer_form(settings)),
    )


SNIPPET_NAMES = ("python", "node", "php", "dotnet", "java", "curl", "swaks", "printer")


def _python(settings: ClientSettings) -> str:
    implicit = settings.preferred_door().encryption is Encryption.TLS
    return _fill(
        _PYTHON,
        settings,
        python_literal,
        {
            "CLASS": "SMTP_SSL" if implicit else "SMTP",
            "CONTEXT_ARGUMENT": ", context=tls" if implicit else "",
            "STARTTLS": "" if implicit else "    smtp.starttls(context=tls)",
            "TRUST": f"cafile={python_literal(settings.ca_file)}" if settings.ca_file else "",
        },
    )


def _node(settings: ClientSettings) -> str:
    implicit = settings.preferred_door().encryption is Encryption.TLS
    ca_file = javascript_literal(settings.ca_file)
    return _fill(
        _NODE,
        settings,
        javascript_literal,
        {
            "SECURITY": "secure: true," if implicit else "secure: false, requireTLS: true,",
            "TRUST": f'  tls: {{ ca: require("node:fs").readFileSync({ca_file}) }},'
            if settings.ca_file
            else "",
        },
    )


def _php(settings: ClientSettings) -> str:
    implicit = settings.preferred_door().encryption is Encryption.TLS
    ca_file = php_literal(settings.ca_file)
    return _fill(
        _PHP,
        settings,
        php_literal,
        {
            "SECURITY": "'ssl'" if implicit else "'tls'",
            "TRUST": f"$mail->SMTPOptions = ['ssl' => ['cafile' => {ca_file}]];"
            if settings.ca_file
            else "",
        },
    )


def _dotnet(settings: ClientSettings) -> str:
    implicit = settings.preferred_door().encryption is Encryption.TLS
    return _fill(
        _DOTNET,
        settings,
        csharp_literal,
        {
            "SECURITY": "SslOnConnect" if implicit else "StartTls",
            "USINGS": _DOTNET_USINGS if settings.ca_file else "",
            "TRUST": _DOTNET_TRUST.replace("@CA_FILE@", csharp_literal(settings.ca_file))
            if settings.ca_file
            else "",
        },
    )


def _java(settings: ClientSettings) -> str:
    implicit = settings.preferred_door().encryption is Encryption.TLS
    return _fill(
        _JAVA,
        settings,
        java_literal,
        {
            "SECURITY": _JAVA_TLS if implicit else _JAVA_STARTTLS,
            "TRUST": _JAVA_TRUST.replace("@CA_FILE@", java_literal(settings.ca_file))
            if settings.ca_file
            else "",
        },
    )


def _curl(settings: ClientSettings) -> str:
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


def _swaks(settings: ClientSettings) -> str:
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


def _fill(
    template: str,
    settings: ClientSettings,
    literal: Callable[[str], str],
    facts: Mapping[str, str],
) -> str:
    """Put the facts into a template. A line that holds nothing but an empty fact goes away.

    Each mark is replaced in one pass: what a password holds is never looked at again.
    """
    values = {
        "SERVER": literal(settings.server),
        "PORT": str(settings.preferred_door().port),
        "USER": literal(settings.username),
        "SENDER": literal(settings.sender),
        "PASSWORD": literal(settings.password or PASSWORD_PLACEHOLDER),
        "RECIPIENT": literal(EXAMPLE_RECIPIENT),
        **facts,
    }
    lines: list[str] = []
    for line in template.strip("\n").split("\n"):
        filled = _MARK.sub(lambda match: values[match[1]], line)
        if filled or not line:
            lines.append(filled)
    return "\n".join(lines)


_PYTHON = """
import smtplib
import ssl
from email.message import EmailMessage

message = EmailMessage()
message["From"] = @SENDER@
message["To"] = @RECIPIENT@
message["Subject"] = "Test"
message.set_content("Hello")

tls = ssl.create_default_context(@TRUST@)
with smtplib.@CLASS@(@SERVER@, @PORT@@CONTEXT_ARGUMENT@) as smtp:
@STARTTLS@
    smtp.login(@USER@, @PASSWORD@)
    smtp.send_message(message)
"""

_NODE = """
const transport = require("nodemailer").createTransport({
  host: @SERVER@, port: @PORT@, @SECURITY@
  auth: { user: @USER@, pass: @PASSWORD@ },
@TRUST@
});
transport
  .sendMail({
    from: @SENDER@, to: @RECIPIENT@, subject: "Test", text: "Hello",
  })
  .then((result) => console.log(result.response));
"""

_PHP = """
<?php
require 'vendor/autoload.php';

$mail = new PHPMailer\\PHPMailer\\PHPMailer(true);
$mail->isSMTP();
$mail->Host = @SERVER@;
$mail->Port = @PORT@;
$mail->SMTPSecure = @SECURITY@;
@TRUST@
$mail->SMTPAuth = true;
$mail->Username = @USER@;
$mail->Password = @PASSWORD@;
$mail->setFrom(@SENDER@);
$mail->addAddress(@RECIPIENT@);
$mail->Subject = 'Test';
$mail->Body = 'Hello';
$mail->send();
"""

_DOTNET = """
using MailKit.Net.Smtp;
using MailKit.Security;
using MimeKit;
@USINGS@

var message = new MimeMessage();
message.From.Add(MailboxAddress.Parse(@SENDER@));
message.To.Add(MailboxAddress.Parse(@RECIPIENT@));
message.Subject = "Test";
message.Body = new TextPart("plain") { Text = "Hello" };

using var client = new SmtpClient();
@TRUST@
client.Connect(@SERVER@, @PORT@, SecureSocketOptions.@SECURITY@);
client.Authenticate(@USER@, @PASSWORD@);
client.Send(message);
client.Disconnect(true);
"""

_DOTNET_USINGS = """using System.Net.Security;
using System.Security.Cryptography.X509Certificates;"""

_DOTNET_TRUST = """var root = X509Certificate2.CreateFromPem(System.IO.File.ReadAllText(@CA_FILE@));
client.ServerCertificateValidationCallback = (_, certificate, _, errors) =>
{
    if ((errors & ~SslPolicyErrors.RemoteCertificateChainErrors) != 0) return false;
    using var chain = new X509Chain();
    chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
    chain.ChainPolicy.CustomTrustStore.Add(root);
    chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
    return chain.Build(new X509Certificate2(certificate!));
};"""

_JAVA = """
import jakarta.mail.*;
import jakarta.mail.internet.*;
import java.io.FileInputStream;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Properties;
import javax.net.ssl.*;

public class SendMail {
    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        settings.put("mail.smtp.host", @SERVER@);
        settings.put("mail.smtp.port", "@PORT@");
        settings.put("mail.smtp.auth", "true");
@SECURITY@
        settings.put("mail.smtp.ssl.checkserveridentity", "true");
@TRUST@

        MimeMessage message = new MimeMessage(Session.getInstance(settings));
        message.setFrom(new InternetAddress(@SENDER@));
        message.setRecipients(Message.RecipientType.TO, @RECIPIENT@);
        message.setSubject("Test");
        message.setText("Hello");
        Transport.send(message, @USER@, @PASSWORD@);
    }
}
"""

_JAVA_TLS = '        settings.put("mail.smtp.ssl.enable", "true");'

_JAVA_STARTTLS = """        settings.put("mail.smtp.starttls.enable", "true");
        settings.put("mail.smtp.starttls.required", "true");"""

_JAVA_TRUST = """
        KeyStore roots = KeyStore.getInstance(KeyStore.getDefaultType());
        roots.load(null, null);
        try (FileInputStream pem = new FileInputStream(@CA_FILE@)) {
            roots.setCertificateEntry(
                "ca", CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        TrustManagerFactory trust =
            TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(roots);
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(null, trust.getTrustManagers(), null);
        settings.put("mail.smtp.ssl.socketFactory", tls.getSocketFactory());"""
