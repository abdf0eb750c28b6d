"""The words for a delivery that failed."""

import re

import pytest

from pillarbox.explain.failures import Failure, FailureKind, explain
from pillarbox.mail.reply import MAX_REPLY_LINE_OCTETS, Reply, ReplyClass, reply

HOP = "smtp.example.net:587"
LONGEST_HOP = "x" * 250 + ".example:65535"
CERTAIN_IN_THE_DNS = {
    FailureKind.DOMAIN_NOT_FOUND,
    FailureKind.DOMAIN_TAKES_NO_MAIL,
    FailureKind.NO_MAIL_HOST,
    FailureKind.MX_NOT_PUBLIC,
    FailureKind.MX_IS_THIS_HOST,
}


@pytest.mark.parametrize("kind", FailureKind)
def test_every_failure_says_what_happened_and_what_to_do(kind: FailureKind) -> None:
    """A code and an enhanced code of the same class, the hop by name, a cause and a fix."""
    found = explain(Failure(kind, "some detail", reply(554, "5.7.1", "No")), hop=HOP)

    assert found.kind is kind
    assert re.fullmatch(r"[45]\.\d\.\d{1,2}", found.reply.enhanced)
    assert found.reply.enhanced[0] == str(found.reply.code)[0]
    assert HOP in found.reply.lines[0]
    assert found.reply.lines[1] == found.fix
    assert found.cause.endswith(".")
    assert "{" not in found.reply.text + found.cause + found.fix


@pytest.mark.parametrize("kind", FailureKind)
def test_every_failure_fits_into_reply_lines(kind: FailureKind) -> None:
    """RFC 5321 4.5.3.1.5, also for a host name as long as they get."""
    found = explain(Failure(kind, "some detail"), hop=LONGEST_HOP)

    text = found.reply.encode()
    assert all(len(line) <= MAX_REPLY_LINE_OCTETS - 2 for line in text.split(b"\r\n"))
    assert found.fix.encode()[-20:] in text


@pytest.mark.parametrize("kind", FailureKind)
def test_only_what_the_message_or_its_address_has_wrong_is_permanent(kind: FailureKind) -> None:
    """A route or network that is broken is mended by an administrator; the mail waits."""
    permanent = explain(Failure(kind), hop=HOP).reply.category is ReplyClass.PERMANENT

    is_of_message = kind.name.endswith("_NOT_TAKEN") or kind is FailureKind.TOO_LARGE
    is_of_message = is_of_message or kind.name.startswith("REQUIRETLS_")
    assert permanent is (is_of_message or kind in CERTAIN_IN_THE_DNS)


def test_what_the_next_hop_said_is_quoted() -> None:
    """With its codes; a brace in it is only a brace."""
    said = Reply(535, "5.7.8", ("bad {detail} {0}",))

    found = explain(Failure(FailureKind.LOGIN_REFUSED, said=said), hop=HOP)

    assert "535 5.7.8 bad {detail} {0}" in found.reply.text


def test_kinds_are_told_apart_by_their_words() -> None:
    """No two failures read the same."""
    texts = [kind.value.what for kind in FailureKind]

    assert len(set(texts)) == len(texts)
