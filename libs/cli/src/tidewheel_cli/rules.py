"""`tidewheel rules`: who is told of what happens to tasks."""

from typing import Annotated, cast
from uuid import UUID

import typer

from tidewheel_cli.session import Session, Yes, confirm, in_session
from tidewheel_cli.show import console, print_line, print_object, print_table
from tidewheel_cli.times import parse_duration
from tidewheel_client.models import StoredRule
from tidewheel_client.options import Event, NotificationRule

app = typer.Typer(no_args_is_help=True, help="Notification rules: who is told of what happens to tasks.")

RuleId = Annotated[UUID, typer.Argument(help="The id of a rule.", metavar="ID")]
Name = Annotated[str, typer.Argument(help="What it is called.")]
On = Annotated[list[str], typer.Option("--on", help="complete, dead, late or missed; may be repeated.")]
LateAfter = Annotated[
    float | None,
    typer.Option(parser=parse_duration, metavar="DURATION", help="With late: tasks that have not begun by then, too."),
]
Handler = Annotated[str | None, typer.Option(help="Only of tasks of this handler; * stands for anything.")]
Queue = Annotated[str | None, typer.Option(help="Only of tasks in this queue; * stands for anything.")]
Tag = Annotated[str | None, typer.Option(help="Only of tasks with this tag; * stands for anything.")]
Email = Annotated[str | None, typer.Option(help="Tell this address.")]
Slack = Annotated[str | None, typer.Option(envvar="TIDEWHEEL_SLACK_URL", help="Tell this incoming webhook of Slack.")]
Webhook = Annotated[str | None, typer.Option(help="Tell this address by a signed POST.")]
Secrets = Annotated[
    list[str] | None,
    typer.Option("--secret", envvar="TIDEWHEEL_WEBHOOK_SECRET", help="whsec_…, signs the POST; may be repeated."),
]

_COLUMNS = ("id", "name", "on", "handler", "queue", "tag", "tells", "disabled")


@app.command(name="list")
@in_session
def list_rules(session: Session) -> None:
    """List the rules by name; secrets are never shown."""
    with session.client() as client:
        found = client.notification_rules.list()
    if session.json:
        for rule in found:
            print_line(rule)
    else:
        print_table(_COLUMNS, map(_row, found), empty="There are no rules.")


@app.command()
@in_session
def create(
    session: Session,
    name: Name,
    *,
    on: On,
    late_after: LateAfter = None,
    handler: Handler = None,
    queue: Queue = None,
    tag: Tag = None,
    email: Email = None,
    slack: Slack = None,
    webhook: Webhook = None,
    secrets: Secrets = None,
) -> None:
    """Keep a rule for what is submitted from now on; tells one of --email, --slack and --webhook."""
    rule: NotificationRule = {
        "name": name,
        "on": cast("list[Event]", on),
        "handler": handler,
        "queue": queue,
        "tag": tag,
    }
    if late_after is not None:
        rule["late_after"] = late_after
    targets: NotificationRule = {"email": email, "slack": slack, "webhook": webhook}
    if sum(each is not None for each in targets.values()) != 1:
        raise typer.BadParameter("Give one of --email, --slack and --webhook.")
    rule |= targets
    if webhook is not None:
        rule["secrets"] = secrets
    with session.client() as client:
        made = client.notification_rules.create(**rule)
    if session.json:
        print_object(made)
    else:
        console().print(str(made.id))


@app.command()
@in_session
def delete(session: Session, rule_id: RuleId, *, yes: Yes = False) -> None:
    """Delete a rule; notifications that it has made go on."""
    with session.client() as client:
        rule = client.notification_rules.get(rule_id)
        confirm(f"Delete the rule {rule.name}?", yes=yes)
        client.notification_rules.delete(rule_id)
    if session.json:
        print_object(rule)
    else:
        typer.echo(f"{rule.name} is deleted.")


def _row(rule: StoredRule) -> tuple[object, ...]:
    target = rule.email or rule.webhook or rule.kind
    return str(rule.id), rule.name, rule.on, rule.handler, rule.queue, rule.tag, target, rule.disabled_reason
