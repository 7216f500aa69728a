"""A user's own Celery app, made for another broker."""

from celery import Celery

app = Celery("own", broker="amqp://nowhere.invalid", backend="rpc://")


@app.task(name="own.short")
def short() -> None:
    """Do nothing."""
