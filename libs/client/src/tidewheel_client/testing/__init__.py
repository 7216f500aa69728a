"""A Tidewheel in memory, for the tests of those who use it: `pip install tidewheel-client[testing]`.

    fake = FakeTidewheel()

    @fake.handler("reports.daily")
    def daily(user_id: int) -> str: ...

    client = fake.client()                    # or fake.async_client(): the real clients, with all that they do
    handle = client.submit("reports.daily", {"user_id": 42}, delay=timedelta(hours=1))
    assert handle.get().state == "waiting"
    fake.advance(timedelta(hours=1))          # nothing sleeps: its time stands still until it is moved, or waited for
    assert handle.result() == "…"

Submissions are checked, retried and ended by the service's own rules. What handlers log is kept, bulk operations are
over at once, notification rules are kept and tell nobody. There are no queues to pause or limit and no fires' overlap;
where it is asked for something that it does not do, it says so (501).
"""

from tidewheel_client.testing.fake import FakeTidewheel
from tidewheel_client.testing.tasks import NoHandler

__all__ = ["FakeTidewheel", "NoHandler"]
