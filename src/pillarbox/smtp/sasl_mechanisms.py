"""The mechanisms of AUTH by their names (IANA "SASL Mechanisms")."""

from pillarbox.smtp.sasl import Exchange, LoginExchange, PlainExchange
from pillarbox.smtp.sasl_oauth import OAuthBearerExchange, XOAuth2Exchange
from pillarbox.smtp.sasl_scram import ScramExchange

PASSWORD_MECHANISMS = ("PLAIN", "LOGIN")
TOKEN_MECHANISMS = ("XOAUTH2", "OAUTHBEARER")
SCRAM_MECHANISMS = ("SCRAM-SHA-256",)


def exchange_for(mechanism: str) -> Exchange | None:
    """A new exchange for a mechanism, its name in any case; None for a mechanism not known."""
    match mechanism.upper():
        case "PLAIN":
            return PlainExchange()
        case "LOGIN":
            return LoginExchange()
        case "XOAUTH2":
            return XOAuth2Exchange()
        case "OAUTHBEARER":
            return OAuthBearerExchange()
        case "SCRAM-SHA-256":
            return ScramExchange()
        case _:
            return None
