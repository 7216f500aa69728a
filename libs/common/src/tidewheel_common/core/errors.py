"""The errors that Tidewheel itself raises.

TidewheelError
├── Misconfigured   a setting, key or schema is not as the process needs it: it ends with a sentence
└── InvalidSchedule a recurrence that no clock can follow: the caller's fault
"""


class TidewheelError(Exception):
    """Something that Tidewheel can put into a sentence."""


class Misconfigured(TidewheelError):
    """A setting, a key or the schema is not as this process needs it."""


class InvalidSchedule(TidewheelError):
    """A recurrence that no clock can follow."""
