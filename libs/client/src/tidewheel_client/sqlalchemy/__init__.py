"""Submit in the caller's own SQLAlchemy transaction, where it is the database of Tidewheel's tables.

`pip install tidewheel-client[sqlalchemy]`

    enqueuer = Enqueuer.from_environment()              # TIDEWHEEL_KEYS, TIDEWHEEL_TENANT

    with Session(engine) as session, session.begin():   # or: async with AsyncSession(engine) …
        session.add(order)
        enqueuer.enqueue(session, "orders.confirm", {"order": order.id})    # AsyncSession: await it

The task is there exactly when the transaction commits. A Tidewheel with another database: `tidewheel_client.outbox`.
"""

from tidewheel_client.sqlalchemy.enqueue import Enqueuer, EnqueueSettings

__all__ = ["EnqueueSettings", "Enqueuer"]
