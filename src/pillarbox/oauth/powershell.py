"""The commands of Exchange Online PowerShell that an administrator needs, with the values in. Pure.

Sources, both learn.microsoft.com: "Authenticate an IMAP, POP or SMTP connection using OAuth"
(variant A), "SMTP Onboarding to App RBAC Overview" (variant B), and "Add-HVEAppAccess".
"""

from collections.abc import Sequence

from pillarbox.oauth.clouds import Cloud

OBJECT_ID = "OBJECT-ID-OF-THE-ENTERPRISE-APPLICATION"

WARNING = (
    "The Object ID is that of the Enterprise application (Entra admin center > Enterprise"
    " applications > the application > Overview). The App registration shows another Object ID:"
    " with that one the sign-in fails (535 5.7.3)."
)

_ENVIRONMENTS = {
    Cloud.GCC_HIGH: "O365USGovGCCHigh",
    Cloud.DOD: "O365USGovDoD",
    Cloud.CHINA: "O365China",
}


def quote(text: str) -> str:
    """A literal of PowerShell."""
    return "'" + text.replace("'", "''") + "'"


def connect(cloud: Cloud) -> list[str]:
    """Open the session."""
    environment = _ENVIRONMENTS.get(cloud)
    where = f" -ExchangeEnvironmentName {environment}" if environment else ""
    return [
        "Install-Module ExchangeOnlineManagement -Scope CurrentUser",
        f"Connect-ExchangeOnline{where}",
    ]


def service_principal(client_id: str) -> str:
    """Make the application known to Exchange; `$app` is it."""
    name = quote("Pillarbox")
    return (
        f"$app = New-ServicePrincipal -AppId {quote(client_id)} -ObjectId {quote(OBJECT_ID)}"
        f" -DisplayName {name}"
    )


def known_application(client_id: str) -> str:
    """The application that was made known before, as `$app`."""
    return f"$app = Get-ServicePrincipal | Where-Object AppId -eq {quote(client_id)}"


def full_access(mailbox: str) -> str:
    """Let `$app` into a mailbox."""
    return (
        f"Add-MailboxPermission -Identity {quote(mailbox)} -User $app.Identity"
        " -AccessRights FullAccess"
    )


def send_as(mailbox: str) -> str:
    """Let `$app` send as another address."""
    return (
        f"Add-RecipientPermission -Identity {quote(mailbox)} -Trustee $app.Identity"
        " -AccessRights SendAs"
    )


def smtp_auth(mailbox: str) -> str:
    """Switch SMTP AUTH on for a mailbox, which is off in new tenants."""
    return f"Set-CASMailbox -Identity {quote(mailbox)} -SmtpClientAuthenticationDisabled $false"


def hve_access(account: str) -> str:
    """Let the application send by an account of High Volume Email."""
    return f"Add-HVEAppAccess -Identity {quote(account)} -AppIds {quote(OBJECT_ID)}"


def variant_a(client_id: str, mailboxes: Sequence[str], cloud: Cloud) -> list[str]:
    """By a permission for each mailbox. The application has SMTP.SendAsApp, with admin consent."""
    if cloud is Cloud.HVE:
        return [*connect(cloud), *map(hve_access, mailboxes)]
    lines = [*connect(cloud), service_principal(client_id)]
    for mailbox in mailboxes:
        lines += [full_access(mailbox), smtp_auth(mailbox)]
    return lines


def variant_b(client_id: str, mailboxes: Sequence[str], cloud: Cloud) -> list[str]:
    """By RBAC for Applications. The application has no permission at all."""
    return [
        *_scoped_role(client_id, mailboxes, cloud, role="Application SMTP.SendAsApp"),
        *map(smtp_auth, mailboxes),
    ]


def variant_b_graph(
    client_id: str, mailboxes: Sequence[str], cloud: Cloud, *, drafts: bool = False
) -> list[str]:
    """The same for Graph. Application Access Policies, which did this before, are not to be made
    any more."""
    lines = _scoped_role(client_id, mailboxes, cloud, role="Application Mail.Send")
    return [*lines, draft_role(client_id)] if drafts else lines


def draft_role(client_id: str) -> str:
    """Let the application make drafts, in the scope of `variant_b_graph`."""
    return (
        "New-ManagementRoleAssignment -Name 'Pillarbox drafts'"
        f" -Role 'Application Mail.ReadWrite' -App {quote(client_id)}"
        " -CustomResourceScope 'Pillarbox senders'"
    )


def authorization(client_id: str, mailbox: str) -> str:
    """Ask Exchange whether the application may use a mailbox."""
    return (
        f"Test-ServicePrincipalAuthorization -Identity {quote(client_id)}"
        f" -Resource {quote(mailbox)}"
    )


def _scoped_role(client_id: str, mailboxes: Sequence[str], cloud: Cloud, *, role: str) -> list[str]:
    members = ", ".join(map(quote, mailboxes))
    return [
        *connect(cloud),
        service_principal(client_id),
        "$group = New-DistributionGroup -Name 'Pillarbox senders' -Type Security"
        f" -Members {members}",
        "$dn = (Get-DistributionGroup -Identity $group.Identity).DistinguishedName",
        "New-ManagementScope -Name 'Pillarbox senders'"
        " -RecipientRestrictionFilter \"MemberOfGroup -eq '$dn'\"",
        f"New-ManagementRoleAssignment -Name 'Pillarbox' -Role {quote(role)}"
        f" -App {quote(client_id)} -CustomResourceScope 'Pillarbox senders'",
    ]
