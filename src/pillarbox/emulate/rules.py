"""What Microsoft decides about a login and a message; the answer is the name of a reply, or None.

SMTP says it by emulate.replies; Graph has its own words for the same decisions.
"""

from dataclasses import dataclass

from pillarbox.emulate.config import SMTP_ROLE, SMTP_SCOPE, App, Tenant
from pillarbox.emulate.headers import Addresses
from pillarbox.emulate.tokens import OUTLOOK_AUDIENCES, Access
from pillarbox.emulate.world import Owner, World

HVE_SECONDS = 600
"""High Volume Email refuses a token that ends sooner."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who has logged in, and whose mailbox he uses."""

    owner: Owner
    mechanism: str
    login: str
    app_id: str = ""


def check_password(world: World, username: str, password: str) -> Principal | str:
    """AUTH LOGIN, in the order in which Microsoft checks: tenant, mailbox, security defaults,
    Conditional Access, authentication policy, second factor, password."""
    owner = world.owner_of_primary(username)
    tenant = owner.tenant if owner else world.tenant(username.rpartition("@")[2])
    targets = owner.targets if owner else _tenant_targets(tenant)
    switches = world.switches
    if switches.is_at("basic_auth", "retired", targets):
        return "basic-retired"
    refusal = _smtp_auth(world, targets)
    if refusal:
        return refusal
    for name, position, reply_name in (
        ("basic_auth", "off", "basic-off"),
        ("security_defaults", "on", "security-defaults"),
        ("conditional_access", "legacy", "conditional-access"),
        ("conditional_access", "all", "conditional-access"),
        ("authentication_policy", "block", "conditional-access"),
        ("federation", "unreachable", "sts-unreachable"),
        ("federation", "insecure", "sts-insecure"),
        ("mailbox", "disabled", "login"),
        ("mfa", "on", "login"),
    ):
        if switches.is_at(name, position, targets):
            return reply_name
    if owner is None or not owner.mailbox.password or owner.mailbox.password != password:
        return "credentials"
    return Principal(owner, "LOGIN", owner.mailbox.address)


def check_token(world: World, username: str, token: str) -> Principal | str:
    """AUTH XOAUTH2: whether this token opens this mailbox by SMTP."""
    now = world.clock()
    access = world.signer.read(token, now=now)
    owner = world.owner_of_primary(username)
    if access is None or owner is None or access.audience not in OUTLOOK_AUDIENCES:
        return "login"
    if access.tenant_id != owner.tenant.id:
        return "login"
    if world.switches.is_at("hve", "on", owner.targets) and access.ends_at - now < HVE_SECONDS:
        return "token-ends-soon"
    refusal = _smtp_auth(world, owner.targets)
    if refusal:
        return refusal
    if world.switches.is_at("mailbox", "disabled", owner.targets):
        return "login"
    may = _user_may(access, owner) if access.user else _app_may(world, access, owner)
    if not may:
        return "login"
    login = access.user or access.app_id
    return Principal(owner, "XOAUTH2", login, access.app_id)


def _tenant_targets(tenant: Tenant | None) -> tuple[str, ...]:
    return (tenant.id, *tenant.domains) if tenant else ()


def _smtp_auth(world: World, targets: tuple[str, ...]) -> str:
    """The mailbox's own switch outranks the tenant's; not set, it inherits."""
    own = world.switches.get("mailbox_smtp_auth", *targets)
    if own == "off":
        return "mailbox-off"
    if own == "inherit" and world.switches.is_at("smtp_auth", "off", targets):
        return "tenant-off"
    return ""


def _user_may(access: Access, owner: Owner) -> bool:
    mailbox = owner.mailbox
    is_his = access.user in (mailbox.address, *mailbox.delegates)
    return is_his and SMTP_SCOPE in access.scopes


def _app_may(world: World, access: Access, owner: Owner) -> bool:
    app = world.app(owner.tenant, access.app_id)
    if app is None or world.switches.is_at("object_id", "wrong", (app.client_id, *owner.targets)):
        return False
    if SMTP_ROLE in access.roles:
        # The permission in the token makes Exchange look at the mailbox's permissions.
        return has_full_access(world, app, owner)
    return owner.mailbox.address in app.rbac_mailboxes


def has_full_access(world: World, app: App, owner: Owner) -> bool:
    """Whether Add-MailboxPermission was done for the app."""
    missing = world.switches.is_at("full_access", "missing", (app.client_id, *owner.targets))
    return owner.mailbox.address in app.mailboxes and not missing


# What may be sent


def may_send_as(world: World, owner: Owner, address: str) -> bool:
    """The mailbox's own addresses, and those to which it was given the right."""
    mailbox = owner.mailbox
    address = address.lower()
    if address in (mailbox.address, *mailbox.aliases):
        return True
    granted = world.switches.is_at("send_as", "granted", owner.targets)
    return granted and address in mailbox.send_as


def check_authors(world: World, owner: Owner, addresses: Addresses) -> tuple[str, str]:
    """From and Sender of a message: the name of a refusal ("" for none) and the address that is
    refused."""
    if not addresses.authors:
        return "no-from", ""
    if len(addresses.authors) > 1 and not addresses.sender:
        return "many-authors", ""
    for address in (*addresses.authors, *addresses.sender):
        if not may_send_as(world, owner, address):
            return "send-as", address
    return "", ""


def shown_from(world: World, owner: Owner, address: str) -> str:
    """The From that recipients see: an alias is rewritten to the primary address, unless the
    tenant allows it."""
    if address.lower() in owner.mailbox.aliases and world.switches.is_at(
        "send_from_alias", "off", owner.targets
    ):
        return owner.mailbox.address
    return address


def check_limits(world: World, owner: Owner, sender: str, recipients: tuple[str, ...]) -> str:
    """What keeps a mailbox from sending this now; where nothing does, it is counted."""
    outbound = world.switches.get("outbound", *owner.targets)
    if outbound != "allowed":
        return "bad-sender" if outbound == "blocked" else "banned-sender"
    if world.switches.is_at("mailbox_storage", "full", owner.targets):
        return "mailbox-full"
    now, count = world.clock(), len(recipients)
    day = world.recipients[owner.mailbox.address]
    if not day.fits(count, now):
        return "submission-quota"
    external = sum(not is_internal(owner.tenant, address) for address in recipients)
    tenant_day = world.externals(owner.tenant)
    if external and not tenant_day.fits(external, now):
        return "tenant-recipients"
    if external and sender.lower().endswith(".onmicrosoft.com"):
        if not world.onmicrosoft[owner.tenant.id].fits(external, now):
            return "onmicrosoft-recipients"
        world.onmicrosoft[owner.tenant.id].add(external, now)
    day.add(count, now)
    tenant_day.add(external, now)
    return ""


def is_internal(tenant: Tenant, address: str) -> bool:
    """Whether a recipient is in the tenant's own domains."""
    return address.rpartition("@")[2].lower() in tenant.domains
