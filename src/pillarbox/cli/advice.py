"""What an administrator can do about a failed session, by what the directory holds now."""

from pillarbox.cli.names import near
from pillarbox.errors import DirectoryError
from pillarbox.explain.refusals import Refusal
from pillarbox.publish.literals import shell_literal
from pillarbox.store.admin.accounts import AccountInfo, list_accounts
from pillarbox.store.admin.credentials import list_credentials
from pillarbox.store.admin.tenants import show_tenant
from pillarbox.store.database import Database
from pillarbox.store.records import CredentialKind, SessionRecord


def advise(database: Database, session: SessionRecord, refusal: Refusal) -> str:
    """A sentence with the command that helps; "" where only the client can be changed."""
    login = shell_literal(session.login or "ADDRESS")
    match refusal:
        case Refusal.LOGIN_FAILED | Refusal.TOO_MANY_FAILURES | Refusal.ACCOUNT_OFF:
            return _about_login(database, session)
        case Refusal.SENDER_NOT_ALLOWED | Refusal.FROM_NOT_ALLOWED:
            return f"to allow that sender: pillarbox send-as add {login} SENDER"
        case Refusal.MAILBOX_FROM_NOT_ALLOWED:
            return (
                "to allow that address: pillarbox route change ID --may-send-as ADDRESS, with all"
                " that it is to be; pillarbox route list shows the ID"
            )
        case Refusal.NULL_SENDER_NOT_ALLOWED:
            return f'to let it pass bounces on: pillarbox send-as add {login} "<>"'
        case Refusal.NO_ROUTE | Refusal.REJECTED_BY_ROUTE:
            return "see: pillarbox route list; to open a way: pillarbox route add --help"
        case _:
            return ""


def _about_login(database: Database, session: SessionRecord) -> str:
    """Compare the user name that was tried with the accounts that there are."""
    if not session.login:
        return "the client sent no user name: enter the full address of the account in it"
    try:
        found = database.read_now(lambda c: list_accounts(c, address=session.login))
    except DirectoryError:
        found = []
    if not found:
        known = [account.address for account in database.read_now(list_accounts)]
        close = near(session.login, known)
        meant = f"is it {' or '.join(close)}? " if close else ""
        return f"no account has that name: {meant}see: pillarbox account list"
    return _about_account(database, session, found[0])


def _about_account(database: Database, session: SessionRecord, account: AccountInfo) -> str:
    """What keeps this account from logging in."""
    address = shell_literal(account.address)
    if account.disabled_at is not None:
        return f"the account is switched off: pillarbox account change {address} --enable"
    tenant = database.read_now(lambda c: show_tenant(c, account.tenant))
    if tenant.disabled_at is not None:
        return f"the tenant is switched off: pillarbox tenant change {tenant.name} --enable"
    credentials = database.read_now(lambda c: list_credentials(c, account.address))
    passwords = [k for k in credentials if k.kind is CredentialKind.PASSWORD]
    if not passwords:
        return f"the account has no password: pillarbox credential add {address} --label NAME"
    expired = [
        credential.label
        for credential in passwords
        if credential.expires_at is not None and credential.expires_at <= session.started_at
    ]
    again = f"a new password: pillarbox credential add {address} --label NAME"
    if expired:
        return f"expired: {', '.join(expired)}; {again}"
    return f"type the password into the client again; {again}"
