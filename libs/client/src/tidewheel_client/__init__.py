"""The HTTP client of Tidewheel."""

from tidewheel_client.client import Client
from tidewheel_client.errors import ApiError, ClientError, Unreachable

__all__ = ["ApiError", "Client", "ClientError", "Unreachable"]
