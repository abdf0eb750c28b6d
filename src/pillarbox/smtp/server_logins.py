"""How an exchange of AUTH goes on: what is asked of the shell, what is said to the client, and how
a refused login ends (RFC 4954 section 4)."""

from typing import assert_never

from pillarbox.explain.refusals import Refusal
from pillarbox.mail.reply import Reply
from pillarbox.smtp.events import (
    BearerToken,
    Credentials,
    Login,
    ScramEnd,
    ScramFinal,
    ScramFirst,
    TokenLogin,
)
from pillarbox.smtp.sasl import Challenge, Outcome, SaslFailure, encode_base64
from pillarbox.smtp.sasl_oauth import OAuthBearerExchange, RefusedToken, XOAuth2Exchange
from pillarbox.smtp.server_state import TRANSITIONS, Session, Step

_TOKEN_REFUSED = 535


def go_on(session: Session, outcome: Outcome) -> None:
    """Do what follows from a response of the client."""
    match outcome:
        case Credentials():
            session.ask(Login(outcome))
        case Challenge(octets):
            say_challenge(session, octets)
        case BearerToken():
            session.ask(TokenLogin(outcome))
        case ScramFirst() | ScramFinal() | ScramEnd():
            session.ask(outcome)
        case Refusal():
            if outcome is Refusal.TOKEN_REFUSED:
                session.note(outcome)
                refuse_login(session, outcome.reply(session.session_id))
            else:
                _end(session)
                session.refuse_command(outcome)
        case SaslFailure(reply):
            _end(session)
            session.refuse_with(reply)
        case _:
            assert_never(outcome)


def say_challenge(session: Session, octets: bytes) -> None:
    """Say what the client has to answer."""
    session.say(f"334 {encode_base64(octets)}\r\n".encode("ascii"))


def refuse_login(session: Session, answer: Reply) -> None:
    """End the exchange with this reply. A client that presented a token is first told why in a
    form that it reads itself, and has to answer (RFC 7628 section 3.2.2)."""
    exchange = session.exchange
    if answer.code == _TOKEN_REFUSED and isinstance(
        exchange, OAuthBearerExchange | XOAuth2Exchange
    ):
        session.exchange = RefusedToken(answer)
        say_challenge(session, exchange.failure)
    else:
        _end(session)
        session.refuse_with(answer)


def _end(session: Session) -> None:
    session.exchange = None
    session.state = TRANSITIONS[session.state][Step.SASL_OVER]
