"""All suites and groups of a port, for the report. Pure."""

from pillarbox.diagnosis.facts import SuiteFacts
from pillarbox.diagnosis.report_message import Json
from pillarbox.diagnosis.suite_names import group_name, suite_name

_WORDS = {True: "yes", False: "no", None: "not known"}


def suites_text(seen: SuiteFacts) -> str:
    """By version, in the order in which the server chose them."""
    title = f"TLS at port {seen.port}"
    lines = [title, "-" * len(title)]
    for version, suites in sorted(seen.versions.items(), reverse=True):
        names = [suite_name(code) for code in suites] or ["not taken"]
        lines += [f"TLS {version}     {names[0]}", *(f"            {name}" for name in names[1:])]
    order = {True: "the server's", False: "the client's", None: "not known"}
    lines.append(f"order       {order[seen.is_servers_order]}")
    lines.append(f"groups      {' '.join(map(group_name, seen.groups)) or 'not known'}")
    lines += [f"served      {_WORDS[served]}: {name}" for name, served in seen.clients.items()]
    return "\n".join(lines)


def suites_record(seen: SuiteFacts) -> Json:
    """The same for programs."""
    return {
        "port": seen.port,
        "versions": {
            version: [suite_name(code) for code in suites]
            for version, suites in sorted(seen.versions.items())
        },
        "servers_order": seen.is_servers_order,
        "groups": [group_name(code) for code in seen.groups],
        "clients": dict(seen.clients),
    }
