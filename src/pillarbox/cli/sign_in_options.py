"""The options that say how a route signs in: Microsoft 365, and smart hosts with OAuth2."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import click

from pillarbox.cli.option_types import HOST_PORT, MOMENT, HostPort
from pillarbox.cli.secret_input import read_secret
from pillarbox.cli.typed_names import typed_domain, typed_mailbox
from pillarbox.mail.envelope import Timestamp
from pillarbox.oauth.clouds import CLOUDS, SUBMISSION_PORT, Cloud
from pillarbox.oauth.sign_in import Access, Flow, SignIn
from pillarbox.route import Microsoft365, Microsoft365Way, OtherFrom, SmartHost

SIGN_IN_OPTIONS = (
    click.option(
        "--microsoft365", metavar="MAILBOX[,MAILBOX…]", help="Send by mailboxes of Microsoft 365."
    ),
    click.option(
        "--cloud",
        type=click.Choice([cloud.value for cloud in Cloud]),
        help="Which cloud of Microsoft; default: worldwide.",
    ),
    click.option(
        "--way",
        type=click.Choice([way.value for way in Microsoft365Way]),
        help="SMTP, Microsoft Graph, or Graph with SMTP or drafts for large mail; default: smtp.",
    ),
    click.option(
        "--may-send-as",
        metavar="ADDRESS[,@DOMAIN…]",
        help="What the mailboxes may send as beside themselves.",
    ),
    click.option(
        "--other-from",
        type=click.Choice([rule.value for rule in OtherFrom]),
        help="A message with another From; default: refuse.",
    ),
    click.option("--tenant-id", metavar="ID", help="Directory (tenant) id of Entra."),
    click.option("--client-id", metavar="ID", help="Application (client) id."),
    click.option(
        "--client-secret-file", metavar="FILE", help="The client secret; - for standard input."
    ),
    click.option(
        "--client-secret-ends", type=MOMENT, metavar="DATE", help="When it ends, for a warning."
    ),
    click.option(
        "--certificate", metavar="FILE", help="In place of a secret: PEM with key, or PFX."
    ),
    click.option("--certificate-password-file", metavar="FILE", help="The passphrase of that."),
    click.option("--device-code", is_flag=True, help="A person signs in on another device."),
    click.option("--browser", is_flag=True, help="A person signs in with the browser here."),
    click.option(
        "--host", type=HOST_PORT, metavar="HOST:PORT", help="For tests: in place of Microsoft's."
    ),
    click.option("--authority", metavar="URL", help="For tests: in place of Microsoft's."),
    click.option("--graph-url", metavar="URL", help="For tests: in place of Microsoft's."),
    click.option(
        "--oauth-token-url", metavar="URL", help="Smart host: where tokens come from, no password."
    ),
    click.option("--oauth-scope", metavar="SCOPE", help="Smart host: what they are for."),
    click.option(
        "--refresh-token-file", metavar="FILE", help="Smart host: a refresh token from elsewhere."
    ),
)


@dataclass(frozen=True, slots=True)
class SignInOptions:
    """The options as they were given; None: not given."""

    microsoft365: str | None
    cloud: str | None
    way: str | None
    may_send_as: str | None
    other_from: str | None
    tenant_id: str | None
    client_id: str | None
    client_secret_file: str | None
    client_secret_ends: Timestamp | None
    certificate: str | None
    certificate_password_file: str | None
    device_code: bool
    browser: bool
    host: HostPort | None
    authority: str | None
    graph_url: str | None
    oauth_token_url: str | None
    oauth_scope: str | None
    refresh_token_file: str | None

    @classmethod
    def of(cls, ctx: click.Context) -> Self:
        """The options of a command. Raises UsageError."""
        options = cls(**{name: ctx.params[name] for name in cls.__dataclass_fields__})
        if len(options._flows()) > 1:
            raise click.UsageError(
                "say one of --client-secret-file, --certificate, --device-code and --browser"
            )
        if options.certificate_password_file is not None and options.certificate is None:
            raise click.UsageError("--certificate-password-file belongs to --certificate")
        return options

    @property
    def is_about_microsoft(self) -> bool:
        """Whether something was given that only Microsoft 365 has."""
        rules = (self.may_send_as, self.other_from, self.way, self.graph_url)
        given = (self.cloud, self.tenant_id, self.certificate, self.host, self.authority, *rules)
        flags = self.device_code or self.browser
        return flags or any(value is not None for value in (self.microsoft365, *given))

    @property
    def is_about_others(self) -> bool:
        """Whether something was given that only a smart host with OAuth2 has."""
        given = (self.oauth_token_url, self.oauth_scope, self.refresh_token_file)
        return any(value is not None for value in given)

    @property
    def is_given(self) -> bool:
        """Whether anything about a sign-in was given."""
        given = (self.client_id, self.client_secret_file, self.client_secret_ends)
        shared = any(value is not None for value in given)
        return shared or self.is_about_microsoft or self.is_about_others

    @property
    def asks_a_person(self) -> bool:
        """Whether somebody is to sign in now."""
        return self.device_code or self.browser

    def mailboxes(
        self, before: Sequence[Microsoft365], ca_file: str | None
    ) -> tuple[Microsoft365, ...]:
        """The next hops for Microsoft 365; what is not given stays as it was `before`."""
        old = before[0] if before else None
        cloud = Cloud(self.cloud) if self.cloud else old.cloud if old else Cloud.WORLDWIDE
        sign_in = self._microsoft(old.sign_in if old else None, cloud, ca_file)
        new = Microsoft365("", cloud, sign_in, other_from=OtherFrom.REFUSE)
        hop = new if old is None else replace(old, cloud=cloud)
        hop = replace(hop, sign_in=sign_in, ca_file=sign_in.ca_file)
        if self.host is not None:
            hop = replace(hop, host=self.host.host, port=self.host.port or SUBMISSION_PORT)
        if self.way is not None:
            hop = replace(hop, way=Microsoft365Way(self.way))
        if self.graph_url is not None:
            hop = replace(hop, graph_url=self.graph_url)
        if self.other_from is not None:
            hop = replace(hop, other_from=OtherFrom(self.other_from))
        if self.may_send_as is not None:
            hop = replace(hop, senders=tuple(map(_sender_key, _listed(self.may_send_as))))
        names = [each.mailbox for each in before]
        if self.microsoft365 is not None:
            names = _listed(self.microsoft365)
        if not names:
            raise click.UsageError("--microsoft365 needs a mailbox")
        return tuple(replace(hop, mailbox=name) for name in names)

    def _microsoft(self, before: SignIn | None, cloud: Cloud, ca_file: str | None) -> SignIn:
        facts = CLOUDS[cloud]
        flow = self._flow(before)
        tenant_id = facts.tenant or (before.tenant_id if before else "")
        sign_in = before or SignIn(flow, "")
        sign_in = replace(
            sign_in,
            flow=flow,
            tenant_id=self.tenant_id or tenant_id,
            client_id=self.client_id or sign_in.client_id,
            authority=(self.authority or sign_in.authority or facts.authority).rstrip("/"),
            ca_file=sign_in.ca_file if ca_file is None else ca_file,
        )
        if self.cloud is not None and self.authority is None:
            sign_in = replace(sign_in, authority=facts.authority)
        return self._with_secrets(sign_in)

    def access(self, before: Access | None, hop: SmartHost) -> Access | None:
        """How a smart host is logged in to; None: by password, or not at all."""
        if before is None and self.oauth_token_url is None:
            if self.is_given:
                raise click.UsageError("OAuth2 with a smart host begins with --oauth-token-url")
            return None
        old = before.sign_in if before else None
        flow = self._flow(old)
        sign_in = old or SignIn(flow, "")
        sign_in = replace(
            sign_in,
            flow=flow,
            token_url=self.oauth_token_url or sign_in.token_url,
            client_id=self.client_id or sign_in.client_id,
            ca_file=hop.ca_file,
        )
        scope = before.scope if before else ""
        return Access(
            self._with_secrets(sign_in), scope if self.oauth_scope is None else self.oauth_scope
        )

    def _flows(self) -> list[Flow]:
        given = [
            (Flow.CERTIFICATE, self.certificate is not None),
            (Flow.DEVICE_CODE, self.device_code),
            (Flow.BROWSER, self.browser),
            (Flow.REFRESH_TOKEN, self.refresh_token_file is not None),
        ]
        flows = [flow for flow, is_given in given if is_given]
        # With a refresh token the secret only says who uses it.
        if self.client_secret_file is not None and flows != [Flow.REFRESH_TOKEN]:
            flows.append(Flow.CLIENT_SECRET)
        return flows

    def _flow(self, before: SignIn | None) -> Flow:
        flows = self._flows()
        if before is not None and (not flows or before.flow is Flow.REFRESH_TOKEN):
            return before.flow
        if flows:
            return flows[0]
        raise click.UsageError(
            "say how to sign in: --client-secret-file, --certificate, --device-code, --browser,"
            " or for a smart host --refresh-token-file"
        )

    def _with_secrets(self, sign_in: SignIn) -> SignIn:
        """With the secret or key that is asked for; those of another flow go."""
        if self.client_secret_file is not None:
            secret = read_secret(
                self.client_secret_file, "", what="client secret", option="--client-secret-file"
            )
            sign_in = replace(sign_in, secret=secret, secret_ends_at=None)
        elif sign_in.flow not in (Flow.CLIENT_SECRET, Flow.REFRESH_TOKEN):
            sign_in = replace(sign_in, secret="", secret_ends_at=None)
        if self.client_secret_ends is not None:
            sign_in = replace(sign_in, secret_ends_at=self.client_secret_ends)
        if self.certificate is not None:
            pair = self._key_pair(self.certificate)
            return replace(sign_in, private_key=pair[0], certificate=pair[1])
        if sign_in.flow is not Flow.CERTIFICATE:
            return replace(sign_in, private_key="", certificate="")
        return sign_in

    def _key_pair(self, file: str) -> tuple[str, str]:
        from pillarbox.net.key_pair import read_key_pair

        option, passphrase = "--certificate-password-file", ""
        if self.certificate_password_file is not None:
            passphrase = read_secret(
                self.certificate_password_file, "", what="passphrase", option=option
            )
        pair = read_key_pair(Path(file), passphrase)
        return pair.private_key, pair.certificate

    def refresh_token(self) -> str:
        """The one that was brought from elsewhere; "" for none."""
        if self.refresh_token_file is None:
            return ""
        option = "--refresh-token-file"
        return read_secret(self.refresh_token_file, "", what="refresh token", option=option)


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _sender_key(pattern: str) -> str:
    """An address or "@domain" as it is compared. Raises Failure."""
    if pattern.startswith("@"):
        return f"@{typed_domain(pattern[1:])}"
    return typed_mailbox(pattern).key
