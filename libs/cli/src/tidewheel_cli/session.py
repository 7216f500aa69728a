"""What all commands share that call a gateway: its address, its key, and the form of the answer.

    @app.command()
    @in_session
    def get(session: Session, task_id: TaskId) -> None: ...

The command gains `--url`, `--api-key`, `--ca`, `--state-dir` and `--json`; its errors are sentences with an exit code.
"""

import functools
import inspect
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import httpx2
import typer

from tidewheel_cli.dev.address import Stack, read_stack
from tidewheel_cli.failing import sentences
from tidewheel_client import AsyncClient, Client
from tidewheel_common.core.errors import Misconfigured

P = ParamSpec("P")

Url = Annotated[str, typer.Option(envvar="TIDEWHEEL_URL", help="The gateway; without one, the stack that runs here.")]
Key = Annotated[str, typer.Option(envvar="TIDEWHEEL_API_KEY", help="The key to that gateway.")]
StateDir = Annotated[Path, typer.Option(help="Where a running stack keeps its state.")]
Ca = Annotated[
    Path | None,
    typer.Option(envvar="TIDEWHEEL_CA", exists=True, dir_okay=False, help="Whom its certificate is trusted from."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON: one object, or one on each line of a list.")]

DatabaseUrl = Annotated[
    str, typer.Option(envvar="TIDEWHEEL_DATABASE_URL", help="The database; without one, that of the stack here.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Whom a command calls, and how it answers."""

    url: str = ""
    api_key: str = field(default="", repr=False)
    state_dir: Path = Path(".tidewheel")
    ca: Path | None = None
    json: bool = False

    def stack(self) -> Stack | None:
        """Return the stack that runs in the state directory, if one does."""
        return read_stack(self.state_dir)

    def client(self, *, timeout: float = 10.0, tries: int = 5) -> Client:
        """Return a client of the gateway that is meant.

        Raises:
            Misconfigured: none is named, and no stack runs here.
            NotConfigured: there is no key to it.
        """
        trusted = self._trusted()
        transport = None if trusted is None else httpx2.HTTPTransport(verify=trusted)
        return Client(*self.address(), timeout=timeout, tries=tries, transport=transport)

    def async_client(self) -> AsyncClient:
        """Return an asynchronous client; it raises as `client` does."""
        trusted = self._trusted()
        transport = None if trusted is None else httpx2.AsyncHTTPTransport(verify=trusted)
        return AsyncClient(*self.address(), transport=transport)

    def _trusted(self) -> ssl.SSLContext | None:
        if self.ca is None:
            return None
        try:
            return ssl.create_default_context(cafile=str(self.ca))
        except ssl.SSLError:
            raise Misconfigured(f"{self.ca} holds no certificate in PEM; correct --ca.") from None

    def address(self) -> tuple[str, str]:
        """Return the address of the gateway and the key, which may be empty.

        Raises:
            Misconfigured: none is named, and no stack runs here.
        """
        if self.url:
            return self.url, self.api_key
        stack = self.stack()
        if stack is None:
            raise Misconfigured("No gateway is named and no stack runs here. Give --url and --api-key, or `make up`.")
        return stack.api_url, self.api_key or stack.api_key

    def database(self, given: str) -> str:
        """Return the address of the database that is given, or of that of the stack that runs here.

        Raises:
            Misconfigured: neither is there.
        """
        if given:
            return given
        stack = self.stack()
        if stack is None:
            raise Misconfigured("No database is named and no stack runs here. Give --database-url, or `make up`.")
        return stack.database_url


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be taken back.

    Raises:
        Misconfigured: the answer was no, or nobody is there to answer.
    """
    if yes:
        return
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        typer.echo(err=True)
        agreed = False
    if not agreed:
        raise Misconfigured("Nothing was done. Give --yes to do it without being asked.")


def in_session(command: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
    """Give a command the options that all share; it receives them as a `Session`."""
    _, *own = inspect.signature(command, eval_str=True).parameters.values()
    parameters = [*own, *_SHARED]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        shared = {_FIELDS.get(each.name, each.name): given.pop(each.name) for each in _SHARED}
        with sentences():
            command(Session(**shared), **given)  # type: ignore[call-arg]  # typer passes everything by name

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _shared(
    *,
    url: Url = "",
    api_key: Key = "",
    ca: Ca = None,
    state_dir: StateDir = Path(".tidewheel"),
    json_: Json = False,
) -> None: ...


_SHARED = tuple(inspect.signature(_shared).parameters.values())
_FIELDS = {"json_": "json"}
