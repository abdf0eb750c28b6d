"""What the client advises, in the words of `pillarbox send`: it has options and profiles where a
program has arguments. Pure."""

from typing import NamedTuple


class _Words(NamedTuple):
    """What a program reads, and what stands there for who named a server by --server; for who has
    a profile the same, unless there is more. In the order in which they are looked for."""

    of_programs: str
    of_options: str
    of_profiles: str | None = None


_GIVE_LOGIN = "Give --user and --password-file"
_SET_LOGIN = "Set username and password_file in the profile"

_WORDS = (
    _Words("in auth=", "(--user, --password-file)", "in the profile"),
    _Words("Give auth= what", "Log in with what"),
    _Words(
        "Give auth= the user principal name",
        "Give --user the user principal name",
        "Set username in the profile to the user principal name",
    ),
    _Words("Give auth= user name and password", _GIVE_LOGIN, _SET_LOGIN),
    _Words("Give auth= a login", _GIVE_LOGIN, _SET_LOGIN),
    _Words("Give auth=", _GIVE_LOGIN, _SET_LOGIN),
    _Words("goes into auth=", "goes into --user", "goes into username"),
    _Words("Give ca_file=", "Give --ca-file", "Set ca_file in the profile to"),
    _Words(
        "Give helo_name= a name of this machine that the DNS knows",
        "Ask who runs the server to take the address of this machine in EHLO",
    ),
    _Words(
        "Give helo_name= this machine's own full name",
        "Ask who runs the server to take the address of this machine in EHLO",
    ),
    _Words("to the name in helo_name=", "to a name that leads back to it"),
    _Words(
        'Leave tls="required"', "Use a server with TLS", 'Leave tls = "required" in the profile'
    ),
    _Words('tls="opportunistic"', 'tls = "opportunistic" in a profile'),
    _Words("or no require_tls=", "or leave out --require-tls"),
    _Words("or give no require_tls=", "or leave out --require-tls"),
    _Words(": Pool(connections=2)", ""),
    _Words(": Pool(rate=(30, 60))", ""),
    _Words("(pillarbox.client.microsoft)", "(by a profile: pillarbox find ADDRESS --save NAME)"),
    _Words("(pillarbox.client.google)", "(by a profile: pillarbox find ADDRESS --save NAME)"),
    _Words("give sender= and recipients=", "give --from and --to"),
    _Words("give sender=", "give --from"),
    _Words("give recipients=", "give --to"),
)


def for_options(text: str) -> str:
    """What to change, for a server that was named by options."""
    for words in _WORDS:
        text = text.replace(words.of_programs, words.of_options)
    return text


def for_profile(text: str) -> str:
    """What to change, for a profile."""
    for words in _WORDS:
        other = words.of_options if words.of_profiles is None else words.of_profiles
        text = text.replace(words.of_programs, other)
    return text
