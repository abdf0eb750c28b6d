"""Arguments of MAIL, RCPT and BDAT."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.explain.refusals import Refusal
from pillarbox.mail.address import Mailbox
from pillarbox.mail.envelope import Body, Envelope, Notify, Ret
from pillarbox.smtp.grammar import (
    CommandError,
    decode_xtext,
    parse_bdat,
    parse_mail,
    parse_rcpt,
)

ASCII_MAIL = Envelope(None)
UTF8_MAIL = Envelope(None, smtputf8=True)


def _refused_mail(argument: str) -> Refusal:
    with pytest.raises(CommandError) as caught:
        parse_mail(argument)
    return caught.value.refusal


def _refused_rcpt(argument: str, envelope: Envelope = ASCII_MAIL) -> Refusal:
    with pytest.raises(CommandError) as caught:
        parse_rcpt(argument, envelope, number=0, host_name="mx.test")
    return caught.value.refusal


@pytest.mark.parametrize(
    ("argument", "mailbox"),
    [
        ("FROM:<a@b.test>", Mailbox("a", "b.test")),
        ("from:<a@b.test>", Mailbox("a", "b.test")),
        ("FROM: <a@b.test>", Mailbox("a", "b.test")),
        (" FROM:<a@b.test>", Mailbox("a", "b.test")),
        ("FROM:< a@b.test >", Mailbox("a", "b.test")),
        ("FROM:<  >", None),
        ("FROM:a@b.test", Mailbox("a", "b.test")),
        ("FROM:<a@b.test>  ", Mailbox("a", "b.test")),
        ("FROM:<>", None),
        ("FROM:<@a,@b:c@d>", Mailbox("c", "d")),
        ("FROM:<@a.test:c@d>", Mailbox("c", "d")),
        ('FROM:<"a@b"@c>', Mailbox('"a@b"', "c")),
        ('FROM:<"a> SIZE=1"@c>', Mailbox('"a> SIZE=1"', "c")),
        ('FROM:<"a\\"b"@c>', Mailbox('"a\\"b"', "c")),
        ("FROM:<a%b@c>", Mailbox("a%b", "c")),
        ("FROM:<a!b@c>", Mailbox("a!b", "c")),
        ("FROM:<a@[IPv6:::1]>", Mailbox("a", "[IPv6:::1]")),
    ],
)
def test_reverse_paths(argument: str, mailbox: Mailbox | None) -> None:
    """Attacks row 11: source routes are left out, and no local part is ever looked into."""
    envelope, size = parse_mail(argument)

    assert envelope == Envelope(mailbox)
    assert size is None


@pytest.mark.parametrize(
    ("argument", "refusal"),
    [
        ("", Refusal.SYNTAX),
        ("FROM", Refusal.SYNTAX),
        ("TO:<a@b>", Refusal.SYNTAX),
        ("FROM:", Refusal.SYNTAX_SENDER),
        ("FROM:<a@b", Refusal.SYNTAX_SENDER),
        ("FROM:a@b>", Refusal.SYNTAX_SENDER),
        ("FROM:<<a@b>>", Refusal.SYNTAX_SENDER),
        ("FROM:<a b@c>", Refusal.SYNTAX_SENDER),
        ("FROM:<a>", Refusal.SYNTAX_SENDER),
        ("FROM:<a@b@c>", Refusal.SYNTAX_SENDER),
        ("FROM:<@a:>", Refusal.SYNTAX_SENDER),
        ("FROM:<@a: >", Refusal.SYNTAX_SENDER),
        ("FROM:< >x", Refusal.SYNTAX_SENDER),
        ("  FROM:", Refusal.SYNTAX_SENDER),
        ("FROM:<@a,@b>", Refusal.SYNTAX_SENDER),
        ("FROM:<a@b>x", Refusal.SYNTAX_SENDER),
        ("FROM:<" + "a" * 65 + "@b>", Refusal.SYNTAX_SENDER),
        ("FROM:<é@b>", Refusal.UTF8_NOT_ASKED),
        ("FROM:<a@é>", Refusal.UTF8_NOT_ASKED),
        ("FROM:<a@b> SIZE=", Refusal.PARAMETER_INVALID),
        ("FROM:<a@b> SIZE=-1", Refusal.PARAMETER_INVALID),
        ("FROM:<a@b> SIZE=1.5", Refusal.PARAMETER_INVALID),
        ("FROM:<a@b> SIZE=" + "9" * 21, Refusal.PARAMETER_INVALID),
        ("FROM:<a@b> SMTPUTF8 SIZE=\u0661", Refusal.PARAMETER_INVALID),
        ("FROM:<a@b> SMTPUTF8 \u017fIZE=1", Refusal.PARAMETER_UNKNOWN),
        ("FROM:<a@b> SIZE=1 size=1", Refusal.PARAMETER_INVALID),
        ("FROM:<a@b> BODY=9BIT", Refusal.PARAMETER_INVALID),
        ("FROM:<a@b> BODY", Refusal.PARAMETER_INVALID),
        ("FROM:<a@b> SMTPUTF8=1", Refusal.PARAMETER_INVALID),
        ("FROM:<a@b> REQUIRETLS=yes", Refusal.PARAMETER_INVALID),
        ("FROM:<a@b> RET=ALL", Refusal.PARAMETER_INVALID),
        ("FROM:<a@b> ENVID=", Refusal.PARAMETER_INVALID),
        ("FROM:<a@b> ENVID=+0A", Refusal.PARAMETER_INVALID),
        ("FROM:<a@b> ENVID=+4", Refusal.PARAMETER_INVALID),
        ("FROM:<a@b> ENVID=a=b", Refusal.PARAMETER_INVALID),
        ("FROM:<a@b> ENVID=" + "x" * 101, Refusal.PARAMETER_INVALID),
        ("FROM:<a@b> AUTH=", Refusal.PARAMETER_INVALID),
        ("FROM:<a@b> AUTH=a+", Refusal.PARAMETER_INVALID),
        ("FROM:<a@b> NOTIFY=NEVER", Refusal.PARAMETER_UNKNOWN),
        ("FROM:<a@b> MT-PRIORITY=3", Refusal.PARAMETER_UNKNOWN),
        ("FROM:<a@b> =", Refusal.PARAMETER_UNKNOWN),
    ],
)
def test_refused_reverse_paths(argument: str, refusal: Refusal) -> None:
    """Attacks row 8 and 10: each kind of fault has its own refusal."""
    assert _refused_mail(argument) is refusal


def test_all_parameters_of_mail() -> None:
    """All that EHLO offers is read, keywords in any case."""
    envelope, size = parse_mail(
        "FROM:<ä@bücher.test> size=12345 BODY=binarymime smtputf8 RET=full ENVID=QQ+2B1"
        " AUTH=e+3Dmc2@example.com"
    )

    assert size == 12345
    assert envelope == Envelope(
        Mailbox("ä", "bücher.test"), Body.BINARY, smtputf8=True, ret=Ret.FULL, envid="QQ+2B1"
    )


def test_an_envid_of_100_characters_is_counted_decoded() -> None:
    """RFC 3461 4.4: 100 characters before they are encoded."""
    envid = "+20" * 100

    assert parse_mail(f"FROM:<> ENVID={envid}")[0].envid == envid


@pytest.mark.parametrize(
    ("parameters", "notify"),
    [
        ("", Notify.DEFAULT),
        (" NOTIFY=NEVER", Notify.NEVER),
        (" notify=success", Notify.SUCCESS),
        (" NOTIFY=FAILURE,DELAY", Notify.FAILURE | Notify.DELAY),
        (" NOTIFY=SUCCESS,FAILURE,DELAY", Notify.SUCCESS | Notify.FAILURE | Notify.DELAY),
    ],
)
def test_notify(parameters: str, notify: Notify) -> None:
    """RFC 3461 section 4.1."""
    recipient = parse_rcpt(f"TO:<a@b>{parameters}", ASCII_MAIL, number=7, host_name="mx.test")

    assert recipient.notify == notify
    assert recipient.number == 7


@pytest.mark.parametrize(
    "orcpt", ["rfc822;a+40b.test", "rfc822;Bob@x", "X-Local;x", "utf-8;a+5Cx{E4}@b"]
)
def test_orcpt_is_kept_as_it_was_sent(orcpt: str) -> None:
    """RFC 3461 section 4.2: it is passed on without a change."""
    recipient = parse_rcpt(f"TO:<a@b> ORCPT={orcpt}", ASCII_MAIL, number=0, host_name="mx.test")

    assert recipient.orcpt == orcpt


def test_orcpt_in_utf8_needs_smtputf8() -> None:
    """RFC 6533 section 3: raw UTF-8 only where it was asked for, and only of type utf-8."""
    argument = "TO:<a@b> ORCPT=utf-8;ä@b"

    recipient = parse_rcpt(argument, UTF8_MAIL, number=0, host_name="mx.test")

    assert recipient.orcpt == "utf-8;ä@b"
    assert _refused_rcpt(argument) is Refusal.PARAMETER_INVALID
    assert _refused_rcpt("TO:<a@b> ORCPT=rfc822;ä@b", UTF8_MAIL) is Refusal.PARAMETER_INVALID


@pytest.mark.parametrize(
    ("argument", "refusal"),
    [
        ("TO:<>", Refusal.SYNTAX_ADDRESS),
        (" TO:< >", Refusal.SYNTAX_ADDRESS),
        ("TO:<a>", Refusal.SYNTAX_ADDRESS),
        ("FROM:<a@b>", Refusal.SYNTAX),
        ("TO:<é@b>", Refusal.UTF8_NOT_ASKED),
        ("TO:<a@b> NOTIFY", Refusal.PARAMETER_INVALID),
        ("TO:<a@b> NOTIFY=", Refusal.PARAMETER_INVALID),
        ("TO:<a@b> NOTIFY=NEVER,FAILURE", Refusal.PARAMETER_INVALID),
        ("TO:<a@b> NOTIFY=SOMETIMES", Refusal.PARAMETER_INVALID),
        ("TO:<a@b> ORCPT=x", Refusal.PARAMETER_INVALID),
        ("TO:<a@b> ORCPT=rfc822;", Refusal.PARAMETER_INVALID),
        ("TO:<a@b> ORCPT=;x", Refusal.PARAMETER_INVALID),
        ("TO:<a@b> ORCPT=rfc822;+0D+0A", Refusal.PARAMETER_INVALID),
        ("TO:<a@b> ORCPT=rfc822;" + "x" * 501, Refusal.PARAMETER_INVALID),
        ("TO:<a@b> SIZE=1", Refusal.PARAMETER_UNKNOWN),
    ],
)
def test_refused_forward_paths(argument: str, refusal: Refusal) -> None:
    """Attacks row 10: each kind of fault has its own refusal."""
    assert _refused_rcpt(argument) is refusal


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("<bob>", "the domain are missing"),
        ("<>", "the domain are missing"),
        ("<bob@example.net.>", "the domain ends with a dot"),
        ("<bob.@example.net>", "double quotes"),
        ("<.bob@example.net>", "double quotes"),
        ("<b..b@example.net>", "double quotes"),
        ("<b,b@example.net>", "part before the @ is not valid"),
        ("<" + "b" * 65 + "@example.net>", "longer than 64 octets"),
        ("<'bob@example.net'>", "the domain is not valid"),
        ("<bob@[127.0.0.256]>", "address literal"),
        ("<bob@example.net>, <ann@example.net>", "one address alone"),
        ('"Bob B." <bob@example.net>', "one address alone"),
        ("<bob@exam ple.net>", "one address alone"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(address: str, words: str) -> None:
    """Who reads the reply sees the address, but not always the dot behind it."""
    with pytest.raises(CommandError) as recipient:
        parse_rcpt(f"TO:{address}", Envelope(None), number=0, host_name="mx.test")

    assert words in recipient.value.refusal.reply("ID", **recipient.value.facts).text
    if address != "<>":
        with pytest.raises(CommandError) as sender:
            parse_mail(f"FROM:{address}")
        assert words in sender.value.refusal.reply("ID", **sender.value.facts).text


@pytest.mark.parametrize("name", ["postmaster", "Postmaster", "POSTMASTER"])
def test_postmaster_needs_no_domain(name: str) -> None:
    """RFC 5321 4.5.1: it is the postmaster of this server."""
    recipient = parse_rcpt(f"TO:<{name}>", ASCII_MAIL, number=0, host_name="mx.test")

    assert recipient.forward_path == Mailbox(name, "mx.test")


@pytest.mark.parametrize(
    ("argument", "chunk"),
    [("0", (0, False)), ("12 LAST", (12, True)), ("12 last", (12, True)), ("007", (7, False))],
)
def test_chunks(argument: str, chunk: tuple[int, bool]) -> None:
    """RFC 3030 section 2."""
    assert parse_bdat(argument) == chunk


@pytest.mark.parametrize("argument", ["", "-1", "x", "1 2", "1  LAST", "\u0661", "9" * 21, "0x1"])
def test_refused_chunks(argument: str) -> None:
    """Attacks row 53: only digits are a size."""
    with pytest.raises(CommandError) as caught:
        parse_bdat(argument)

    assert caught.value.refusal is Refusal.BAD_CHUNK


@given(st.text(st.characters(max_codepoint=127), max_size=50))
def test_xtext_is_decoded(text: str) -> None:
    """RFC 3461 section 4: any ASCII text can be written as xtext, in full or where it must be."""
    hexadecimal = "".join(f"+{ord(char):02X}" for char in text)
    sparing = "".join(
        char if "!" <= char <= "~" and char not in "+=" else f"+{ord(char):02X}" for char in text
    )

    assert decode_xtext(hexadecimal) == text
    assert decode_xtext(sparing) == text


@pytest.mark.parametrize("text", ["+", "+4", "+4g", "+4a", "a=b", "a b", "é", "\x7f"])
def test_what_is_no_xtext(text: str) -> None:
    """Blanks, "=", half a code and what is not ASCII have no place in it."""
    assert decode_xtext(text) is None


WORDS = ["FROM:", "TO:", "SIZE=", "ENVID=", "+4", "SMTPUTF8", "ORCPT=rfc822;", "NOTIFY=", "AUTH="]
fragments = st.lists(st.sampled_from([*WORDS, *'<>@a"\\:, é1.[]']), max_size=25).map("".join)


@given(fragments | st.text(max_size=50))
def test_parsers_raise_nothing_but_their_own_error(argument: str) -> None:
    """Whatever stands behind the verb: a value or a CommandError."""
    for parse in (
        parse_mail,
        parse_bdat,
        lambda text: parse_rcpt(text, UTF8_MAIL, number=0, host_name="mx.test"),
    ):
        try:
            parse(argument)
        except CommandError as error:
            assert error.refusal.reply("ID", **error.facts).code >= 500  # noqa: PT017


@given(st.integers(0, 10**20 - 1), st.sampled_from(Body), st.sampled_from(Ret))
def test_mail_round_trips(size: int, body: Body, ret: Ret) -> None:
    """Values written as parameters are read as the same values."""
    argument = f"FROM:<a.b@c.test> RET={ret.value} SIZE={size} BODY={body.value}"

    assert parse_mail(argument) == (Envelope(Mailbox("a.b", "c.test"), body, ret=ret), size)


def test_paths_are_read_in_linear_time() -> None:
    """Attacks row 52: the longest line that is taken costs no more than its length."""
    for unit in ('"', '\\"', "@a,", "<@a:", "a@", '"\\'):
        for lead in ("FROM:<", 'FROM:<"', "FROM:<@"):
            assert _refused_mail(lead + unit * 5000) is not None
