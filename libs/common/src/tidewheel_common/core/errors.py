"""The errors that Tidewheel itself raises. Those of one room only stand in it.

TidewheelError
├── Misconfigured   a setting, key or schema is not as the process needs it: it ends with a sentence
├── InvalidSchedule a recurrence that no clock can follow: the caller's fault
├── NotJson         (core/validation.py) what a caller sent cannot be written as JSON again
├── Unsealable      (crypto/sealed.py) a sealed value cannot be opened: a permanent error of that one task
├── LoopFailed      (process/loop.py) a loop met a bug: its process ends and is started again
└── CannotStart     (the CLI) a stack cannot be started as asked
"""


class TidewheelError(Exception):
    """Something that Tidewheel can put into a sentence."""


class Misconfigured(TidewheelError):
    """A setting, a key or the schema is not as this process needs it."""


class InvalidSchedule(TidewheelError):
    """A recurrence that no clock can follow."""
