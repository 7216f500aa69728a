"""`tidewheel keys`: make, list and revoke API keys, through the database as its operator."""

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tidewheel_cli.session import DatabaseUrl, Session, Yes, confirm, in_session
from tidewheel_cli.show import moment, print_line, print_object, print_table
from tidewheel_common.crypto.api_key import ApiKey

if TYPE_CHECKING:
    from tidewheel_cli.keys.queries import KeyRow

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys, through the database as its operator.")

Name = Annotated[str, typer.Argument(help="What it is for, such as the name of a backend.")]
Tenant = Annotated[str, typer.Option(help="Whose tasks it reaches; only `default` may hold queues back.")]
NewTenant = Annotated[bool, typer.Option("--new-tenant", help="Make the tenant if there is none of this name.")]
KeyId = Annotated[str, typer.Argument(help="The part between tw_ and the secret; `list` shows it.", metavar="ID")]

_COLUMNS = ("id", "tenant", "name", "made", "revoked")


@app.command()
@in_session
def create(
    session: Session,
    name: Name,
    *,
    tenant: Tenant = "default",
    new_tenant: NewTenant = False,
    database_url: DatabaseUrl = "",
) -> None:
    """Make a key and print it: only this once, it is not stored."""
    from tidewheel_cli.keys.ledger import create_key  # noqa: PLC0415 - SQLAlchemy is slow to import, few commands need it

    key = ApiKey.make()
    asyncio.run(create_key(session.database(database_url), key, name, tenant=tenant, new_tenant=new_tenant))
    if session.json:
        print_object({"id": key.id, "tenant": tenant, "name": name, "api_key": key.text})
    else:
        typer.echo(key.text)
        typer.echo("It is shown only this once, so keep it.", err=True)


@app.command(name="list")
@in_session
def list_keys(session: Session, *, database_url: DatabaseUrl = "") -> None:
    """List every key: whose it is, and whether it is revoked; never its secret."""
    from tidewheel_cli.keys.ledger import all_keys  # noqa: PLC0415 - as above

    found = asyncio.run(all_keys(session.database(database_url)))
    if session.json:
        for each in found:
            print_line(asdict(each))
    else:
        print_table(_COLUMNS, map(_row, found), empty="There are no keys yet.")


@app.command()
@in_session
def revoke(session: Session, key_id: KeyId, *, yes: Yes = False, database_url: DatabaseUrl = "") -> None:
    """Revoke a key; gateways may still take it for 10 seconds."""
    from tidewheel_cli.keys.ledger import revoke_key  # noqa: PLC0415 - as above

    url = session.database(database_url)
    stack = session.stack()
    ours = stack is not None and key_id in stack.api_key
    whom = "The commands of the stack that runs here use it: they" if ours else "Whoever uses it"
    confirm(f"Revoke the key {key_id}? {whom} will be locked out.", yes=yes)
    since = asyncio.run(revoke_key(url, key_id))
    if session.json:
        print_object({"id": key_id, "revoked_at": since})
    else:
        typer.echo(f"{key_id} is revoked since {moment(since)}.")


def _row(key: "KeyRow") -> tuple[object, ...]:
    return key.id, key.tenant, key.name, key.created_at, key.revoked_at
