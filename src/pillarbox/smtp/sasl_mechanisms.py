"""The mechanisms of AUTH by their names (IANA "SASL Mechanisms")."""

from pillarbox.smtp.sasl import Exchange, LoginExchange, PlainExchange
from pillarbox.smtp.sasl_oauth import OAuthBearerExchange, XOAuth2Exchange

PASSWORD_MECHANISMS = ("PLAIN", "LOGIN")
TOKEN_MECHANISMS = ("XOAUTH2", "OAUTHBEARER")


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
        case _:
            return None
