"""`pillarbox queue pause`, `resume` and `cap`: what a next hop is given, whatever routes say."""

from collections.abc import Callable
from dataclasses import asdict, replace

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.hop_names import find_hop
from pillarbox.cli.option_types import LIMIT, MOMENT, Limit
from pillarbox.cli.output import print_json
from pillarbox.cli.times import for_people, now
from pillarbox.mail.envelope import Timestamp
from pillarbox.route import CapsOrder
from pillarbox.store.hop_orders import HopOrder, change_order


@click.command("pause")
@click.argument("hop", metavar="HOP")
@click.option("--until", type=MOMENT, help="The end of it; default: when it is resumed.")
@click.option("--reason", default="", help="Why, for whoever reads `queue hops`.")
@click.pass_obj
def pause(cli: Cli, hop: str, until: Timestamp | None, reason: str) -> None:
    """Give a next hop nothing. Mail for it is taken and waits; it still expires in its time."""
    moment = now()
    if until is not None and until <= moment:
        raise click.UsageError("--until is over already")

    def change(order: HopOrder) -> HopOrder:
        return replace(order, paused_at=moment, paused_until=until, reason=reason)

    end = f" until {for_people(until)}" if until is not None else ""
    _order(cli, hop, change, f"is paused{end}")


@click.command("resume")
@click.argument("hop", metavar="HOP")
@click.pass_obj
def resume(cli: Cli, hop: str) -> None:
    """Give a paused next hop mail again."""
    _order(cli, hop, HopOrder.without_pause, "gets mail again")


@click.command("cap")
@click.argument("hop", metavar="HOP")
@click.option("--connections", type=LIMIT, help="So many at once.")
@click.option("--per-connection", type=LIMIT, help="So many messages in each.")
@click.option("--per-minute", type=LIMIT, help="So many messages a minute.")
@click.pass_obj
def cap(
    cli: Cli,
    hop: str,
    connections: Limit | None,
    per_connection: Limit | None,
    per_minute: Limit | None,
) -> None:
    """Limit a next hop in place of its routes, for all workers together. `none`: as its routes say
    again."""
    given = {
        "connections": connections,
        "messages_per_connection": per_connection,
        "messages_per_minute": per_minute,
    }
    values = {name: limit.value for name, limit in given.items() if limit is not None}
    if not values:
        raise click.UsageError("say --connections, --per-connection or --per-minute")

    def change(order: HopOrder) -> HopOrder:
        return order.with_caps(replace(order.caps or CapsOrder(), **values))

    _order(cli, hop, change, "has new caps")


def _order(cli: Cli, hop: str, change: Callable[[HopOrder], HopOrder], what: str) -> None:
    with cli.database() as database:
        name = find_hop(database, hop)
        order = database.write_now(lambda c: change_order(c, name, change))
    if cli.as_json:
        print_json({"hop": name} | asdict(order))
    else:
        click.echo(f"{name} {what}.")
