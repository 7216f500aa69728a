"""What the drop-in raises of its own."""

from tidewheel_client.errors import ClientError


class Unmapped(ClientError):
    """Something of Celery has no counterpart in Tidewheel; the text names it and says what to do."""

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(f"Tidewheel cannot carry out {what}. {instead}")


class TaskFailed(Exception):
    """A task ended `dead`, with an error whose type is not known here."""


class ParentFailed(TaskFailed):
    """A task was not run, because one that it follows failed."""
