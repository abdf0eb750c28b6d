"""Microsoft's clouds: where mail is submitted, where one signs in, and for which scopes. Pure.

One row for each cloud, with the source of each fact. `[D]` is Microsoft's documentation, `[F]`
was seen in the field. Nothing else in Pillarbox knows a host name of Microsoft.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SUBMISSION_PORT: Final = 587
"""The only port that Microsoft's list of endpoints names for submission; 465 is not served."""

NO_UPLOADS: Final = "Graph takes no uploads of attachments there; use --way graph-or-smtp"


class Cloud(StrEnum):
    """The clouds, named as on the command line."""

    WORLDWIDE = "worldwide"
    GCC_HIGH = "gcc-high"
    DOD = "dod"
    CHINA = "21vianet"
    HVE = "hve"
    OUTLOOK = "outlook.com"


@dataclass(frozen=True, slots=True)
class CloudFacts:
    """One cloud. Scopes are those of SMTP: `app_scope` for an application that signs in as itself
    ("" where that is not possible), `user_scope` for one that acts for a person.

    `tenant` is what stands for a tenant where the cloud has only one.
    """

    title: str
    host: str
    authority: str
    app_scope: str
    user_scope: str
    graph_root: str
    source: str
    tenant: str = ""
    has_message_limits: bool = True
    spf: str = ""
    """What the SPF record of a domain includes whose mail leaves this cloud; "" where that is not
    known. [D] learn.microsoft.com: set up SPF for custom domains."""
    has_upload_sessions: bool = True
    """[D] learn.microsoft.com: Graph, attachment: createUploadSession, national clouds."""


_EXO_DEV = "learn.microsoft.com: how to authenticate an IMAP, POP or SMTP application by OAuth"
_ENTRA = "learn.microsoft.com: Entra, authentication in national clouds"
_GRAPH = "learn.microsoft.com: Graph, national cloud deployments"

CLOUDS: Final[dict[Cloud, CloudFacts]] = {
    Cloud.WORLDWIDE: CloudFacts(
        title="Microsoft 365 worldwide, and GCC",
        host="smtp.office365.com",
        authority="https://login.microsoftonline.com",
        app_scope="https://outlook.office365.com/.default",
        user_scope="https://outlook.office.com/SMTP.Send",
        graph_root="https://graph.microsoft.com",
        source=f"[D] {_EXO_DEV}",
        spf="spf.protection.outlook.com",
    ),
    Cloud.GCC_HIGH: CloudFacts(
        title="Microsoft 365 GCC High",
        host="smtp.office365.us",
        authority="https://login.microsoftonline.us",
        app_scope="https://outlook.office365.us/.default",
        user_scope="https://outlook.office365.us/SMTP.Send",
        graph_root="https://graph.microsoft.us",
        source=f"[D] authority: {_ENTRA}; Graph: {_GRAPH}. [F] host: EmailEngine; "
        "scope: sasl-xoauth2",
        spf="spf.protection.office365.us",
        has_upload_sessions=False,
    ),
    Cloud.DOD: CloudFacts(
        title="Microsoft 365 DoD",
        host="outlook-dod.office365.us",
        authority="https://login.microsoftonline.us",
        app_scope="https://outlook.office365.us/.default",
        user_scope="https://outlook.office365.us/SMTP.Send",
        graph_root="https://dod-graph.microsoft.us",
        source=f"[D] host: list of endpoints, DoD; authority: {_ENTRA}; Graph: {_GRAPH}. "
        "[F] scope: sasl-xoauth2",
        spf="spf.protection.office365.us",
        has_upload_sessions=False,
    ),
    Cloud.CHINA: CloudFacts(
        title="Microsoft 365 in China, by 21Vianet",
        host="smtp.partner.outlook.cn",
        authority="https://login.partner.microsoftonline.cn",
        app_scope="https://partner.outlook.cn/.default",
        user_scope="https://partner.outlook.cn/SMTP.Send",
        graph_root="https://microsoftgraph.chinacloudapi.cn",
        source=f"[D] authority: {_ENTRA}; Graph: {_GRAPH}. [F] host: public configurations; "
        "scope: sasl-xoauth2",
        spf="spf.protection.partner.outlook.cn",
    ),
    Cloud.HVE: CloudFacts(
        title="High Volume Email of Microsoft 365 (inside of the organisation)",
        host="smtp-hve.office365.com",
        authority="https://login.microsoftonline.com",
        app_scope="https://outlook.office365.com/.default",
        user_scope="https://outlook.office.com/SMTP.Send",
        graph_root="https://graph.microsoft.com",
        source="[D] learn.microsoft.com: OAuth for High Volume Email. [F] host: sasl-xoauth2",
        has_message_limits=False,
    ),
    Cloud.OUTLOOK: CloudFacts(
        title="Outlook.com, for private persons",
        host="smtp-mail.outlook.com",
        authority="https://login.microsoftonline.com",
        app_scope="",
        user_scope="https://outlook.office.com/SMTP.Send",
        graph_root="https://graph.microsoft.com",
        source="[F] host: Thunderbird's ISPDB, hotmail.com; authority: sasl-xoauth2",
        tenant="consumers",
    ),
}

GRAPH_HOSTS: Final = frozenset(
    facts.graph_root.removeprefix("https://") for facts in CLOUDS.values()
)
"""Their answers are HTTP: what is made of them is no reply of SMTP."""
