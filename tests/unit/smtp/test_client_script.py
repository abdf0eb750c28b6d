"""Scripts have the octets of the protocol that takes over from them; and which answers are yes."""

import pytest

from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Body, Envelope, Notify, Recipient, Ret
from pillarbox.smtp.client import ClientSettings
from pillarbox.smtp.client_ahead import AheadProtocol, Parcel
from pillarbox.smtp.client_script import data_script, is_wished, last_text, whole_script

EXTENSIONS = ("SIZE", "8BITMIME", "SMTPUTF8", "DSN")
CONTENTS = (b"Subject: x\r\n\r\n.Hi\r\n..\r\n", b"Subject: x\r\n\r\nno end", b".")


def opened(*extensions: str) -> AheadProtocol:
    """A session that is ready, with a server that offers these."""
    core = AheadProtocol(ClientSettings("me.test"))
    core.receive(b"220 hi\r\n")
    core.receive(b"".join(b"250-%b\r\n" % word.encode() for word in ("mx", *extensions)))
    core.receive(b"250 HELP\r\n")
    core.data_to_send()
    return core


def parcel(recipients: int, content: bytes) -> Parcel:
    """A message with all that its commands can say."""
    paths = [parse_mailbox(f"ä{n}@t2.test") for n in range(recipients)]
    rcpts = [Recipient(n, path, Notify.FAILURE, "rfc822;x") for n, path in enumerate(paths)]
    sender = parse_mailbox("u@t1.test")
    return Parcel(Envelope(sender, Body.EIGHT_BIT, True, Ret.FULL, "id"), rcpts, content)


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("recipients", [1, 2, 50])
@pytest.mark.parametrize("words", [(), EXTENSIONS, ("PIPELINING",), ("PIPELINING", *EXTENSIONS)])
def test_a_script_has_the_octets_of_the_protocol(
    words: tuple[str, ...], recipients: int, content: bytes
) -> None:
    """The protocol, told the answers to be wished, writes the same turns and is ready then."""
    core = opened(*words)
    sent = parcel(recipients, content)
    core.begin(sent.envelope, sent.recipients, size=len(content), whole=(content,))
    for octets, replies, last, is_content in data_script(core.capabilities, *sent):
        assert core.data_to_send() == octets
        assert core.content_ended is is_content
        core.receive(b"250 ok\r\n" * (replies - 1) + last + b"ok\r\n")
    assert core.is_ready
    assert {reply and reply.code for reply in core.verdicts()} == {250}


@pytest.mark.parametrize("recipients", [1, 50])
def test_a_whole_script_has_the_octets_of_the_protocol(recipients: int) -> None:
    """The same, where all leaves at once."""
    core = opened("PIPELINING", "CHUNKING", *EXTENSIONS)
    sent = parcel(recipients, CONTENTS[0])
    ((octets, replies, last, is_content),) = whole_script(core.capabilities, *sent)
    assert b"".join(core.begin_whole([sent])) == octets
    assert is_content
    core.receive(b"250 ok\r\n" * (replies - 1) + last + b"ok\r\n")
    assert core.is_ready


@pytest.mark.parametrize(
    ("answer", "replies", "last"),
    [
        (b"250 ok\r\n", 1, b"250 "),
        (b"354 go\n", 1, b"354 "),
        (b"250 a\r\n250 b\r\n250 c\r\n", 3, b"250 "),
        (b"250 a\r\n250 b\r\n354 c\r\n", 3, b"354 "),
    ],
)
def test_a_wished_answer(answer: bytes, replies: int, last: bytes) -> None:
    """Each reply is one line that says yes."""
    assert is_wished(answer, replies, last)


@pytest.mark.parametrize(
    ("answer", "replies", "last"),
    [
        (b"", 1, b"250 "),
        (b"250 ok\r", 1, b"250 "),
        (b"250-ok\r\n", 1, b"250 "),
        (b"250 ok\r\n250 more\r\n", 1, b"250 "),
        (b"250 ok\r\n25", 1, b"250 "),
        (b"251 ok\r\n", 1, b"250 "),
        (b"250 go\r\n", 1, b"354 "),
        (b"250 a\r\n250 b\r\n", 3, b"250 "),
        (b"250 a\r\n250 b\r\n250 c\r\n250 d\r\n", 3, b"250 "),
        (b"250 a\r\n550 250 b\r\n250 c\r\n", 3, b"250 "),
        (b"550 a\r\n250 b\r\n250 c\r\n", 3, b"250 "),
        (b"250 a\r\n250 b\r\n550 c\r\n", 3, b"250 "),
        (b"250 a\r\n250-b\r\n250 c\r\n", 3, b"250 "),
        (b"250 a\r\n250 b\r\n354 c\r\n250 d\r\n", 3, b"354 "),
        (b"250 a\r\n354 b\r\n354 c\r\n", 3, b"354 "),
        (b"250 a\r\n250 b\r\n354 c", 3, b"354 "),
        (b"250 " + b"x" * 9000 + b"\r\n", 1, b"250 "),
    ],
)
def test_no_wished_answer(answer: bytes, replies: int, last: bytes) -> None:
    """A refusal, a reply too many or too few, one of several lines, one that has not come yet."""
    assert not is_wished(answer, replies, last)


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_the_text_of_the_last_reply(end: bytes) -> None:
    """With its enhanced code, without its end."""
    assert last_text(b"250 a" + end + b"250 2.0.0 kept" + end) == b"2.0.0 kept"
    assert last_text(b"250 2.0.0 kept" + end) == b"2.0.0 kept"
