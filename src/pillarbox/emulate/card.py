"""The card of a running emulator: ports, files, a sample app and mailbox, ready command lines."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pillarbox.emulate.config import EmulatorConfig


@dataclass(frozen=True, slots=True)
class Facts:
    """Where everything is."""

    smtp_port: int
    authority_url: str
    graph_url: str
    control_url: str
    ca_file: Path


def describe(facts: Facts, config: EmulatorConfig) -> dict[str, object]:
    """The card as JSON."""
    return {
        "kind": config.kind,
        "smtp": {"host": "localhost", "port": facts.smtp_port, "encryption": "starttls"},
        "authority": facts.authority_url,
        "graph": facts.graph_url,
        "control": facts.control_url,
        "ca_file": str(facts.ca_file),
        "tenants": [
            {
                "id": tenant.id,
                "domains": list(tenant.domains),
                "apps": [{"client_id": a.client_id, "secret": a.secret} for a in tenant.apps],
                "mailboxes": [
                    {"address": m.address, "password": m.password} for m in tenant.mailboxes
                ],
            }
            for tenant in config.tenants
        ],
    }


def render(facts: Facts, config: EmulatorConfig) -> str:
    """The card as text. The commands are for the first tenant."""
    lines = [
        "Microsoft 365, played on this machine",
        "=====================================",
        *_table(
            {
                "SMTP": f"localhost:{facts.smtp_port} (STARTTLS), stands for"
                " smtp.office365.com:587",
                "Authority": f"{facts.authority_url}, stands for login.microsoftonline.com",
                "Graph": f"{facts.graph_url}, stands for graph.microsoft.com",
                "Control": f"{facts.control_url} (switches, faults, what arrived)",
                "CA file": f"{facts.ca_file} (clients have to trust it)",
            }
        ),
    ]
    for tenant in config.tenants:
        lines += ["", f"Tenant      {tenant.id} ({', '.join(tenant.domains)})"]
        lines += [f"App         {app.client_id}, secret {app.secret}" for app in tenant.apps]
        for mailbox in tenant.mailboxes:
            word = f"password {mailbox.password}" if mailbox.password else "shared, no password"
            lines.append(f"Mailbox     {mailbox.address}, {word}")
    return "\n".join([*lines, *_commands(facts, config), ""])


def _table(rows: Mapping[str, str]) -> list[str]:
    return [f"{name:<12}{value}" for name, value in rows.items()]


def _commands(facts: Facts, config: EmulatorConfig) -> list[str]:
    tenant = config.tenants[0] if config.tenants else None
    user = next((m for m in tenant.mailboxes if m.password), None) if tenant else None
    app = next((app for app in tenant.apps if app.secret), None) if tenant else None
    lines = ["", "Send with a password:", ""]
    if user is not None:
        lines += [
            f"  swaks --server localhost:{facts.smtp_port} --tls --tls-verify"
            f" --tls-ca-path {facts.ca_file} \\",
            f"    --auth LOGIN --auth-user {user.address} --auth-password '{user.password}' \\",
            f"    --from {user.address} --to someone@fabrikam.example",
        ]
    if tenant is not None and user is not None and app is not None:
        lines += [
            "",
            "Send by Graph:",
            "",
            f"  TOKEN=$(curl -s --cacert {facts.ca_file} \\",
            f"    {facts.authority_url}/{tenant.id}/oauth2/v2.0/token \\",
            f"    -d client_id={app.client_id} --data-urlencode 'client_secret={app.secret}' \\",
            "    -d grant_type=client_credentials -d scope=https://graph.microsoft.com/.default \\",
            "    | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"access_token\"])')",
            f"  printf 'From: {user.address}\\r\\nTo: someone@fabrikam.example\\r\\n' \\",
            f"    | base64 | curl -si --cacert {facts.ca_file} --data-binary @- \\",
            '    -H "Authorization: Bearer $TOKEN" -H "Content-Type: text/plain" \\',
            f"    {facts.graph_url}/v1.0/users/{user.address}/sendMail",
        ]
    return [
        *lines,
        "",
        "Look at what arrived, turn a switch, order a fault:",
        "",
        f"  curl {facts.control_url}/messages",
        f'  curl -X PUT {facts.control_url}/switches -d \'{{"smtp_auth": "off"}}\'',
        f'  curl {facts.control_url}/faults -d \'{{"stage": "content", "reply": "try-later"}}\'',
    ]
