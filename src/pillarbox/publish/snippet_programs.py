"""Examples in programming languages: each sends a first mail when pasted. Pure.

Every one verifies the server's certificate, logs in and insists on encryption.
"""

from pillarbox.publish.client_settings import ClientSettings, Encryption
from pillarbox.publish.literals import (
    csharp_literal,
    java_literal,
    javascript_literal,
    php_literal,
    python_literal,
    shell_literal,
)
from pillarbox.publish.template import fill


def python(settings: ClientSettings) -> str:
    """Python with smtplib."""
    implicit = settings.preferred_door().encryption is Encryption.TLS
    return fill(
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


def node(settings: ClientSettings) -> str:
    """Node.js with nodemailer."""
    implicit = settings.preferred_door().encryption is Encryption.TLS
    ca_file = javascript_literal(settings.ca_file)
    return fill(
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


def php(settings: ClientSettings) -> str:
    """PHP with PHPMailer."""
    implicit = settings.preferred_door().encryption is Encryption.TLS
    ca_file = php_literal(settings.ca_file)
    return fill(
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


def dotnet(settings: ClientSettings) -> str:
    """.NET with MailKit."""
    implicit = settings.preferred_door().encryption is Encryption.TLS
    return fill(
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


def java(settings: ClientSettings) -> str:
    """Java with Jakarta Mail."""
    implicit = settings.preferred_door().encryption is Encryption.TLS
    return fill(
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


def django(settings: ClientSettings) -> str:
    """The settings of a Django project."""
    implicit = settings.preferred_door().encryption is Encryption.TLS
    environment = f"SSL_CERT_FILE={shell_literal(settings.ca_file)}"
    return fill(
        _DJANGO,
        settings,
        python_literal,
        {
            "SECURITY": "EMAIL_USE_SSL" if implicit else "EMAIL_USE_TLS",
            "TRUST": f"# Start it with {environment}" if settings.ca_file else "",
        },
    )


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

_DJANGO = """
# settings.py. Django 6.1 knows these as OPTIONS of MAILERS too, and takes them until 7.0.
@TRUST@
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = @SERVER@
EMAIL_PORT = @PORT@
@SECURITY@ = True
EMAIL_HOST_USER = @USER@
EMAIL_HOST_PASSWORD = @PASSWORD@
DEFAULT_FROM_EMAIL = SERVER_EMAIL = @SENDER@
"""
