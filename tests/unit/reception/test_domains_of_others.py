"""Two tenants on one service: nobody sends as the other, in no form (attacks rows 38, 39, 40).

All other forms of From are held against the rule itself in tests/unit/policy/test_sendas.py; here
they come over the wire, with keys of the victim in the store.
"""

import pytest
from sqlalchemy import Connection, insert
from tests.support.reception import PATIENCE_SECONDS, SEAL, USER, Client, Site
from tests.unit.reception.conftest import Connect

from pillarbox.config import Limits
from pillarbox.mail.dkim import Algorithm
from pillarbox.policy.clock import timestamp
from pillarbox.store.admin.accounts import add_account, add_send_as, find_account
from pillarbox.store.admin.credentials import add_password
from pillarbox.store.admin.dkim_keys import activate_key, add_key
from pillarbox.store.admin.domain_claims import claim_domain, list_claims, prove_claim
from pillarbox.store.admin.tenants import add_domain, add_tenant
from pillarbox.store.generation import Part, moved
from pillarbox.store.schema_directory import send_as
from pillarbox.store.signing_keys import new_private_key

REFUSED = "550 5.7.60 "

ENVELOPES = (
    "boss@victim.test",
    "BOSS@Victim.TEST",
    "boss+x@victim.test",
    '"boss"@victim.test',
    "boss@mail.victim.test",
    "b@xn--vctim-fsa.test",
    "u1@t1.test@victim.test",
    "u1%t1.test@victim.test",
)
UTF8_ENVELOPES = (
    "boss@v\u0456ctim.test",  # a Cyrillic i
    "boss@vi\u0301ctim.test",
    "boss@\uff56ictim.test",  # a wide v: the same domain
    "u1@\u04421.test",
)
FIELDS = (
    b"From: boss@victim.test",
    b"From: u1@t1.test, boss@victim.test",
    b"From: u1@t1.test\r\nFrom: boss@victim.test",
    b"From: boss@victim.test\r\nFrom: u1@t1.test",
    b"From : boss@victim.test",
    b"X: y\r\nFrom\r\n : boss@victim.test",
    b"From: <boss@victim.test> <u1@t1.test>",
    b"From: <u1@t1.test>boss@victim.test",
    b"From: <@t1.test:boss@victim.test>",
    b"From: boss\\@victim.test <boss@victim.test>",
    b"From: =?utf-8?q?boss=40victim.test?=",
    b'From: "u1@t1.test" <boss@victim.test>',
    b"From: (u1@t1.test) boss@victim.test",
    b"From: group: boss@victim.test;",
    b"From: boss@v\xd1\x96ctim.test",
    b"From: u1@t1.test\r\nSender: boss@victim.test",
    b"From: u1@t1.test\r\nResent-From: boss@victim.test",
    b"From: u1@t1.test\r\nResent-Sender: boss@victim.test",
    b"From: u1@t1.test\x00boss@victim.test",
    b"From:\tboss@victim.test\r\n\t(u1@t1.test)",
    b"From: boss@mail.victim.test",
)


@pytest.fixture
def limits() -> Limits:
    """As many refusals in one session as there are forms."""
    return Limits(errors_per_session=100, tls_silence_seconds=PATIENCE_SECONDS)


@pytest.fixture
async def attacker(site: Site, connect: Connect) -> Client:
    """u1@t1.test, beside a second tenant with a domain whose mail is signed. The attacker's tenant
    claims all that the victim has."""

    def make(connection: Connection) -> None:
        now = timestamp()
        add_tenant(connection, "victim", now=now)
        add_domain(connection, "victim", "victim.test", now=now)
        add_account(connection, "boss@victim.test", now=now)
        for name in ("victim.test", "mail.victim.test", "v\u0456ctim.test"):
            claim_domain(connection, "default", name, now=now)
        private = new_private_key(Algorithm.ED25519)
        key = add_key(connection, "victim.test", "s1", private, seal=SEAL, now=now)
        activate_key(connection, key, now=now)

    await site.change(make)
    return await _log_in(connect, USER, site.password)


async def _log_in(connect: Connect, user: str, password: str) -> Client:
    client = await connect("submissions")
    await client.command("EHLO c.t1.test")
    assert (await client.login(user, password)).startswith("235 ")
    return client


async def test_row_38_no_envelope_of_another_tenant_is_taken(attacker: Client) -> None:
    """Nor of a domain that is claimed and not proved, nor of a look-alike."""
    commands = [f"MAIL FROM:<{sender}>" for sender in ENVELOPES]
    commands += [f"MAIL FROM:<{sender}> SMTPUTF8" for sender in UTF8_ENVELOPES]

    replies = [(await attacker.command(command))[:3] for command in commands]

    # 501: it is no address at all.
    assert set(replies) <= {"550", "501"}
    assert replies.count("550") >= len(commands) - 1


async def test_row_39_no_form_of_from_of_another_tenant_is_taken(
    site: Site, attacker: Client
) -> None:
    """Whatever programs read in it; nothing is kept. A From that begins with a blank is none: it
    becomes body, below a From of the account's own."""
    for field in FIELDS:
        reply = await attacker.message(field + b"\r\nSubject: x\r\n\r\nbody\r\n")
        assert reply.startswith(REFUSED), field
    assert site.accepted == []

    reply = await attacker.message(b" From: boss@victim.test\r\n\r\nbody\r\n")
    assert reply.startswith("250 ")
    header, blank_line, rest = site.accepted[0].prefix.partition(b"\r\n\r\n")
    assert (blank_line, rest) == (b"\r\n\r\n", b"")
    assert b"\r\nFrom: u1@t1.test\r\n" in header


async def test_a_right_outlives_no_domain(site: Site, attacker: Client) -> None:
    """Where a grant for the domain of another was left in the store, it opens nothing."""

    def grant(connection: Connection) -> None:
        row = find_account(connection, USER)
        for pattern in ("boss@victim.test", "@victim.test"):
            connection.execute(insert(send_as).values(account_id=row["id"], pattern=pattern))
        moved(connection, Part.DIRECTORY)

    await site.change(grant)

    assert (await attacker.command("MAIL FROM:<boss@victim.test>")).startswith(REFUSED)
    reply = await attacker.message(b"From: boss@victim.test\r\n\r\nbody\r\n")
    assert reply.startswith(REFUSED)


async def test_row_40_keys_sign_the_mail_of_their_tenant_alone(
    site: Site, attacker: Client, connect: Connect
) -> None:
    """Mail that names the victim wherever it may is not signed with its key; the victim's is. What
    the attacker proves in the end can be sent from in the session that was open before."""
    message = (
        b"From: boss_victim.test <u1@t1.test>\r\nReply-To: boss@victim.test\r\n"
        b"DKIM-Signature: v=1; a=ed25519-sha256; d=victim.test; s=s1; h=from; bh=; b=\r\n"
        b"\r\nbody\r\n"
    )
    assert (await attacker.message(message)).startswith("250 ")
    made = await site.database.write(
        lambda c: add_password(c, "boss@victim.test", "first", now=timestamp())
    )
    await site.directory.refresh()
    boss = await _log_in(connect, "boss@victim.test", made.password)
    own = b"From: boss@victim.test\r\n\r\nbody\r\n"
    assert (await boss.message(own, sender="boss@victim.test")).startswith("250 ")

    def prove(connection: Connection) -> None:
        (claim,) = (one for one in list_claims(connection) if one.name == "mail.victim.test")
        prove_claim(connection, claim, now=timestamp())
        add_send_as(connection, USER, "@mail.victim.test")

    await site.change(prove)
    below = b"From: a@mail.victim.test\r\n\r\nbody\r\n"
    assert (await attacker.message(below, sender="a@mail.victim.test")).startswith("250 ")

    signed = [b"DKIM-Signature" in message.prefix for message in site.accepted]
    assert signed == [False, True, False]
