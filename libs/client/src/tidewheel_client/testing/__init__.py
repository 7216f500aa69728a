"""A Tidewheel in memory, for the tests of those who use it: `pip install tidewheel-client[testing]`.

    fake = FakeTidewheel()

    @fake.handler("reports.daily")
    def daily(user_id: int) -> str: ...

    client = fake.client()                    # or fake.async_client(): the real clients, with all that they do
    handle = client.submit("reports.daily", {"user_id": 42}, delay=timedelta(hours=1))
    assert handle.get().state == "waiting"
    fake.advance(timedelta(hours=1))          # nothing sleeps: its time stands still until it is moved, or waited for
    assert handle.result() == "…"

Submissions are checked, retried and ended by the service's own rules. It keeps no queue limits and no fires' overlap,
and says so (501) where it is asked for something that it does not do.
"""

from tidewheel_client.testing.fake import FakeTidewheel
from tidewheel_client.testing.tasks import NoHandler

__all__ = ["FakeTidewheel", "NoHandler"]
