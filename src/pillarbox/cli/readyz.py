"""`pillarbox readyz`: ask the running service on its loopback endpoint whether it takes mail."""

import json
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.output import print_json, printable

TIMEOUT_SECONDS = 5.0


@click.command("readyz")
@click.pass_obj
def command(cli: Cli) -> None:
    """Ask the running service whether it takes mail.

    Ends with 0 if it does, with 69 if it does not run, with 75 if it runs and takes nothing now.
    """
    metrics = cli.settings().metrics
    if not metrics.address:
        hint = 'set metrics.address = "127.0.0.1" in the configuration'
        raise Failure(ExitCode.CONFIG, f"the endpoint is switched off ({hint})")
    ready, problems = ask(metrics.address, metrics.port)
    if cli.as_json:
        print_json({"ready": ready, "problems": problems})
    elif ready:
        click.echo("The service is ready.")
    if not ready:
        text = "; ".join(problems) or "it does not say why"
        raise Failure(ExitCode.TRY_LATER, f"the service is not ready: {printable(text)}")


class SilenceFailure(Failure):
    """The service does not answer; `why` says the rest of that sentence."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(ExitCode.UNAVAILABLE, text)
        self.why = why


def ask(address: str, port: int) -> tuple[bool, list[str]]:
    """Whether it is ready, and what is wrong if not. Raises SilenceFailure."""
    connection = HTTPConnection(address, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        answer = json.loads(response.read())
        return response.status == HTTPStatus.OK, [str(problem) for problem in answer["problems"]]
    except (OSError, HTTPException) as error:
        hint = "start it with: pillarbox serve"
        text = f"the service does not answer on {address} port {port}: {error} ({hint})"
        raise SilenceFailure(text, f"{address} port {port}: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        why = f"something else answers on {address} port {port}"
        raise SilenceFailure(f"{why} (is metrics.port that of Pillarbox?)", why) from error
    finally:
        connection.close()
