"""What all kinds share: payloads are held against the annotations, and what cannot succeed is not tried again."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from celery import shared_task
from celery.exceptions import Reject
from pydantic import ConfigDict, ValidationError, validate_call

Function = Callable[..., Awaitable[Any]]


class Impossible(Exception):
    """Trying again cannot help; the message is a sentence for the task's owner."""


class Failure(Exception):
    """The attempt has failed; the message is a sentence for the task's owner."""


class Later(Failure):
    """The attempt has failed, and the other side has said when to come again.

    Args:
        sentence: what happened.
        seconds: from now.
    """

    def __init__(self, sentence: str, seconds: float) -> None:
        super().__init__(sentence)
        self.seconds = seconds


def kind(name: str) -> Callable[[Function], Any]:
    """Make a Celery task of a coroutine function whose first argument is the task itself.

    A payload may come here without having been held against the schema, so it is held against the annotations again.
    """

    def decorate(function: Function) -> Any:
        checked = validate_call(config=ConfigDict(hide_input_in_errors=True))(function)

        @wraps(function)
        async def run(self: Any, **payload: Any) -> Any:
            try:
                return await checked(self, **payload)
            except ValidationError as error:
                raise Reject(_sentence(error), requeue=False) from None
            except Impossible as error:
                raise Reject(str(error), requeue=False) from error
            except Later as error:
                raise self.retry(exc=error, countdown=error.seconds) from error

        # Wherever it is served: in an app of Celery's that was made durable, what fails there is not tried again.
        options: dict[str, Any] = {"name": name, "bind": True, "as_in_celery": False}
        make: Any = shared_task(**options)
        return make(run)

    return decorate


def _sentence(error: ValidationError) -> str:
    faults = (
        f"{'.'.join(str(part) for part in detail['loc'])}: {detail['msg']}"
        for detail in error.errors(include_url=False, include_input=False, include_context=False)[:10]
    )
    return f"The payload does not fit the handler: {'; '.join(faults)}."
