"""The table of providers: facts, and for each row where they stand.

A row needs a source that can be looked up. Settings that are merely known from memory stay out;
who adds a row adds its source. `ispdb/…` is a file of github.com/thunderbird/autoconfig, read for
its facts. Who changes a host or a port here changes what people are told to type in.
"""

from pillarbox.discovery.findings import Login
from pillarbox.discovery.providers import LOCAL_PART, Provider
from pillarbox.publish.client_settings import Door, Encryption

_TLS = Door(465, Encryption.TLS)
_STARTTLS = Door(587, Encryption.STARTTLS)
_BOTH = (_TLS, _STARTTLS)

_APP_OR_OAUTH = (Login.APP_PASSWORD, Login.OAUTH2)
_PASSWORD_OR_OAUTH = (Login.PASSWORD, Login.OAUTH2)

_EXO = "learn.microsoft.com: How to set up a multifunction device or application to send email"
_NO_465 = "There is no port 465 here, although guides name it: port 587 with STARTTLS."
_NO_PLAIN = "AUTH PLAIN is not offered: the client must do LOGIN or XOAUTH2."
_PASSWORDS_END = (
    "Passwords (basic authentication) are off by default from the end of December 2026; an"
    " administrator can turn them on again until Microsoft removes them. Tenants made after that"
    " have OAuth2 only."
)
_SMTP_AUTH_ON = (
    "SMTP AUTH must be on for the mailbox (Set-CASMailbox -SmtpClientAuthenticationDisabled"
    " $false); in tenants made since 2020 it is off by default."
)


def _each(name: str, endings: str) -> tuple[str, ...]:
    return tuple(f"{name}.{ending}" for ending in endings.split())


_MICROSOFT = (
    Provider(
        key="outlook.com",
        name="Outlook.com",
        host="smtp-mail.outlook.com",
        doors=(_STARTTLS,),
        logins=(Login.OAUTH2,),
        domains=(
            *("hotmail.com", "live.com", "msn.com", "outlook.com", "windowslive.com"),
            *_each("outlook", "at be cl cz de dk es fr hu ie in it jp kr lv my ph pt sa sg sk"),
            *_each("outlook", "co.id co.il co.th com.ar com.au com.br com.gr com.tr com.vn"),
            *_each("hotmail", "be ca cl cz de dk es fi fr gr hu it lt lv my nl no ph rs se sg sk"),
            *_each("hotmail", "co.id co.il co.in co.jp co.kr co.th co.uk co.za com.ar com.au"),
            *_each("hotmail", "com.br com.hk com.tr com.tw com.vn"),
            *_each("live", "at be ca cl cn de dk fi fr hk ie in it jp nl no ru se"),
            *_each("live", "co.jp co.kr co.uk co.za com.ar com.au com.mx com.my com.ph com.pt"),
            *("live.com.sg", "livemail.tw"),
        ),
        mx=("*.olc.protection.outlook.com",),
        notes=(
            "Passwords and app passwords do not work any more, only OAuth2.",
            "There is no port 465 here: port 587 with STARTTLS.",
        ),
        source="ispdb/hotmail.com.xml; github.com/simonrob/email-oauth2-proxy (README)",
    ),
    Provider(
        key="microsoft365",
        name="Microsoft 365",
        host="smtp.office365.com",
        doors=(_STARTTLS,),
        logins=_PASSWORD_OR_OAUTH,
        domains=("*.onmicrosoft.com",),
        mx=("*.mail.protection.outlook.com", "*.mx.microsoft"),
        spf=("spf.protection.outlook.com",),
        autodiscover=("autodiscover.outlook.com",),
        only_mechanisms=("LOGIN", "XOAUTH2"),
        notes=(_NO_465, _NO_PLAIN, _PASSWORDS_END, _SMTP_AUTH_ON),
        source=f"{_EXO}; External Domain Name System records for Office 365;"
        " techcommunity.microsoft.com: Updated Exchange Online SMTP AUTH Basic Authentication"
        " deprecation timeline (27 January 2026); ispdb/office365.com.xml",
    ),
    Provider(
        key="microsoft365-gcc-high",
        name="Microsoft 365 GCC High",
        host="outlook.office365.us",
        doors=(_STARTTLS,),
        logins=_PASSWORD_OR_OAUTH,
        mx=("*.protection.office365.us",),
        autodiscover=("autodiscover-s.office365.us",),
        notes=(_NO_465, _PASSWORDS_END, _SMTP_AUTH_ON),
        source="learn.microsoft.com: Office 365 US Government GCC High endpoints",
    ),
    Provider(
        key="microsoft365-dod",
        name="Microsoft 365 DoD",
        host="outlook-dod.office365.us",
        doors=(_STARTTLS,),
        logins=_PASSWORD_OR_OAUTH,
        autodiscover=("autodiscover-s-dod.office365.us",),
        notes=(_NO_465, _PASSWORDS_END, _SMTP_AUTH_ON),
        source="learn.microsoft.com: Office 365 US Government DoD endpoints",
    ),
)

_GOOGLE = (
    Provider(
        key="gmail",
        name="Gmail",
        host="smtp.gmail.com",
        doors=_BOTH,
        logins=_APP_OR_OAUTH,
        domains=("gmail.com", "googlemail.com"),
        notes=("A password works only as an app password, which needs 2-Step Verification.",),
        source="ispdb/googlemail.com.xml; developer.nylas.com (Gmail SMTP settings)",
    ),
    Provider(
        key="google-workspace",
        name="Google Workspace",
        host="smtp.gmail.com",
        doors=_BOTH,
        logins=_APP_OR_OAUTH,
        mx=("smtp.google.com", "*.l.google.com", "*.googlemail.com"),
        spf=("_spf.google.com",),
        notes=(
            "A password works only as an app password, which needs 2-Step Verification.",
            "Devices and applications of an organisation can also use smtp-relay.gmail.com, if an"
            " administrator has set it up.",
        ),
        source="ispdb/googlemail.com.xml; support.google.com: Set up MX records, Set up SPF",
    ),
)


def _zoho(region: str, place: str) -> tuple[Provider, Provider]:
    """Zoho keeps an account in one region, and only the hosts of that region know it."""
    file = f"ispdb/{region}.xml"
    mail_domain = region.replace("zoho", "zohomail", 1)
    region_note = f"The account must be one of Zoho's region {place}; others log in elsewhere."
    return (
        Provider(
            key=region,
            name=f"Zoho Mail ({place})",
            host=f"smtp.{region}",
            doors=_BOTH,
            domains=(region, mail_domain),
            notes=(region_note,),
            source=file,
        ),
        Provider(
            key=f"{region}-organisation",
            name=f"Zoho Mail for organisations ({place})",
            host=f"smtppro.{region}",
            doors=_BOTH,
            mx=(f"mx.{region}", f"mx2.{region}", f"mx3.{region}"),
            notes=(
                region_note,
                f"Organisations that do not pay have smtp.{region} instead.",
            ),
            source=f"{file}; zoho.com/mail/help/zoho-smtp.html; mxrecordchecker.com (Zoho)",
        ),
    )


_ZOHO = (
    *_zoho("zoho.com", "US"),
    *_zoho("zoho.eu", "Europe"),
    *_zoho("zoho.in", "India"),
    *_zoho("zoho.com.au", "Australia"),
    *_zoho("zoho.jp", "Japan"),
    Provider(
        key="zohocloud.ca",
        name="Zoho Mail (Canada)",
        host="smtp.zohocloud.ca",
        doors=_BOTH,
        domains=("zohocloud.ca", "zohomailcloud.ca"),
        source="ispdb/zohocloud.ca.xml",
    ),
)

_MAILBOXES = (
    Provider(
        key="yahoo",
        name="Yahoo Mail",
        host="smtp.mail.yahoo.com",
        doors=_BOTH,
        logins=_APP_OR_OAUTH,
        domains=(
            *_each("yahoo", "com de it fr es se co.in co.uk co.nz com.au com.ar com.br com.mx"),
            *("ymail.com", "myyahoo.com", "rocketmail.com", "cox.net"),
        ),
        mx=("*.am0.yahoodns.net",),
        source="ispdb/yahoo.com.xml",
    ),
    Provider(
        key="aol",
        name="AOL Mail",
        host="smtp.aol.com",
        doors=(_TLS,),
        logins=_APP_OR_OAUTH,
        domains=(
            *_each("aol", "com de it fr es se co.uk co.nz com.au com.ar com.br com.mx"),
            *("aim.com", "netscape.net", "netscape.com", "compuserve.com", "cs.com"),
        ),
        mx=("mail.gm0.yahoodns.net", "*.mail.gm0.yahoodns.net"),
        source="ispdb/aol.com.xml",
    ),
    Provider(
        key="att",
        name="AT&T Mail",
        host="smtp.mail.att.net",
        doors=(_TLS,),
        logins=_APP_OR_OAUTH,
        domains=(
            *("att.net", "ameritech.net", "bellsouth.net", "currently.com", "flash.net"),
            *("nvbell.net", "pacbell.net", "prodigy.net", "sbcglobal.net", "swbell.net"),
        ),
        source="ispdb/att.net.xml",
    ),
    Provider(
        key="icloud",
        name="iCloud Mail",
        host="smtp.mail.me.com",
        doors=(_STARTTLS,),
        logins=(Login.APP_PASSWORD,),
        domains=("icloud.com", "me.com", "mac.com"),
        notes=("The password is an app-specific one, not that of the Apple account.",),
        source="ispdb/me.com.xml; support.apple.com/HT202304",
    ),
    Provider(
        key="fastmail",
        name="Fastmail",
        host="smtp.fastmail.com",
        doors=(_TLS,),
        logins=_APP_OR_OAUTH,
        domains=("fastmail.com", "fastmail.fm", "messagingengine.com"),
        mx=("*.messagingengine.com",),
        source="ispdb/messagingengine.com.xml; fastmail.com: Server names and ports",
    ),
    Provider(
        key="gmx.net",
        name="GMX",
        host="mail.gmx.net",
        doors=_BOTH,
        domains=(
            *_each("gmx", "net de at ch eu biz org info"),
            "mein.gmx",
            "mail.gmx",
            "email.gmx",
        ),
        notes=("Sending by programs must be allowed once in the settings of the account.",),
        source="ispdb/gmx.net.xml",
    ),
    Provider(
        key="gmx.com",
        name="GMX (international)",
        host="mail.gmx.com",
        doors=_BOTH,
        domains=_each("gmx", "com us co.uk es fr ca ie it li pt se sg hk ph"),
        source="ispdb/gmx.com.xml",
    ),
    Provider(
        key="web.de",
        name="WEB.DE",
        host="smtp.web.de",
        doors=_BOTH,
        domains=("web.de",),
        username=LOCAL_PART,
        notes=("Sending by programs must be allowed once in the settings of the account.",),
        source="ispdb/web.de.xml",
    ),
    Provider(
        key="t-online",
        name="T-Online",
        host="securesmtp.t-online.de",
        doors=_BOTH,
        domains=("t-online.de", "magenta.de"),
        notes=("It wants a password of its own for mail programs, not that of the web site.",),
        source="ispdb/t-online.de.xml",
    ),
    Provider(
        key="mailbox.org",
        name="mailbox.org",
        host="smtp.mailbox.org",
        doors=_BOTH,
        domains=("mailbox.org",),
        source="ispdb/mailbox.org.xml",
    ),
    Provider(
        key="yandex",
        name="Yandex Mail",
        host="smtp.yandex.com",
        doors=(_TLS,),
        logins=_PASSWORD_OR_OAUTH,
        domains=("yandex.com", "yandex.ru", "yandex.by", "yandex.kz", "ya.ru", "narod.ru"),
        source="ispdb/yandex.ru.xml",
    ),
    Provider(
        key="mail.ru",
        name="Mail.ru",
        host="smtp.mail.ru",
        doors=_BOTH,
        domains=("mail.ru", "inbox.ru", "list.ru", "bk.ru"),
        source="ispdb/mail.ru",
    ),
    Provider(
        key="qq",
        name="QQ Mail",
        host="smtp.qq.com",
        doors=(_TLS,),
        domains=("qq.com",),
        source="ispdb/qq.com.xml",
    ),
)

_HOSTERS = (
    Provider(
        key="ionos",
        name="IONOS (1&1)",
        host="smtp.1und1.de",
        doors=_BOTH,
        domains=("online.de", "onlinehome.de"),
        mx=("*.kundenserver.de", "*.schlund.de"),
        source="ispdb/1und1.de.xml",
    ),
    Provider(
        key="strato",
        name="Strato",
        host="smtp.strato.de",
        doors=_BOTH,
        mx=("*.rzone.de",),
        source="ispdb/strato.de.xml",
    ),
    Provider(
        key="hetzner",
        name="Hetzner",
        host="mail.your-server.de",
        doors=(_TLS,),
        mx=("*.your-server.de",),
        source="ispdb/hetzner.de.xml",
    ),
    Provider(
        key="one.com",
        name="one.com",
        host="send.one.com",
        doors=(_TLS,),
        domains=("one.com",),
        mx=("*.one.com",),
        source="ispdb/one.com.xml",
    ),
    Provider(
        key="rackspace",
        name="Rackspace Email",
        host="secure.emailsrvr.com",
        doors=(_TLS,),
        mx=("*.emailsrvr.com",),
        source="ispdb/emailsrvr.com.xml",
    ),
    Provider(
        key="migadu",
        name="Migadu",
        host="smtp.migadu.com",
        doors=(_TLS,),
        mx=("aspmx1.migadu.com", "aspmx2.migadu.com"),
        source="ispdb/migadu.com.xml; migadu.com/guides/imap",
    ),
)

_SERVICES = (
    Provider(
        key="sendgrid",
        name="SendGrid",
        host="smtp.sendgrid.net",
        doors=(_STARTTLS, _TLS),
        logins=(Login.SERVICE,),
        domains=("sendgrid.net", "sendgrid.com"),
        username="apikey",
        notes=("The user name is the word apikey, the password an API key.",),
        source="twilio.com/docs/sendgrid: Integrating with the SMTP API",
    ),
    Provider(
        key="postmark",
        name="Postmark",
        host="smtp.postmarkapp.com",
        doors=(_STARTTLS, Door(2525, Encryption.STARTTLS)),
        logins=(Login.SERVICE,),
        domains=("postmarkapp.com",),
        notes=(
            "There is no port 465 here.",
            "User name and password are both the token of the server.",
        ),
        source="postmarkapp.com/support/article/811",
    ),
)

PROVIDERS: tuple[Provider, ...] = (
    *_MICROSOFT,
    *_GOOGLE,
    *_ZOHO,
    *_MAILBOXES,
    *_HOSTERS,
    *_SERVICES,
)
"""Earlier rows win where patterns overlap."""
