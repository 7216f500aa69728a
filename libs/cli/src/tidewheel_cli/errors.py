"""What keeps a stack from starting."""

from tidewheel_common.core.errors import TidewheelError


class CannotStart(TidewheelError):
    """Something that is needed did not start; the message says what, where and what to do."""
