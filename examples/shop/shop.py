"""The back office's jobs: ordinary Celery tasks. The payload of a schedule becomes the keyword arguments.

Each one only says what it would have done, so that the example needs no shop.
"""

from celery import shared_task


@shared_task(name="backups.database")
def back_up_database() -> str:
    return "dumped the database"


@shared_task(name="backups.media")
def back_up_media() -> str:
    return "copied the pictures"


@shared_task(name="backups.verify")
def verify_backups() -> str:
    return "restored last night's dump beside the real one"


@shared_task(name="pricing.gold_rates", autoretry_for=(ConnectionError,), retry_backoff=True)
def fetch_gold_rates(currencies: list[str]) -> dict[str, float]:
    return dict.fromkeys(currencies, 3000.0)


@shared_task(name="pricing.exchange_rates", autoretry_for=(ConnectionError,), retry_backoff=True)
def fetch_exchange_rates() -> dict[str, float]:
    return {"CHF": 0.93, "USD": 1.16}


@shared_task(name="pricing.work_out")
def work_out_prices() -> str:
    return "wrote the prices of the day"


@shared_task(name="reports.sales")
def report_sales() -> str:
    return "summed up what was sold"


@shared_task(name="reports.stock")
def report_stock() -> str:
    return "counted what is left"


@shared_task(name="reports.daily")
def report_day() -> str:
    return "sent yesterday's figures"


@shared_task(name="reports.weekly")
def report_week() -> str:
    return "sent last week's figures"


@shared_task(name="accounting.depreciation")
def depreciate() -> str:
    return "booked a month of depreciation"


@shared_task(name="accounting.close_month")
def close_month() -> str:
    return "closed the books"


@shared_task(name="accounting.invoices")
async def send_invoices() -> str:
    return "sent the invoices of the day"


@shared_task(name="monitoring.alerts")
async def check_alerts() -> list[str]:
    return []


@shared_task(name="monitoring.certificates")
def check_certificates() -> str:
    return "all are valid for another month"


@shared_task(name="webhooks.retry")
async def retry_webhooks(most: int) -> int:
    return min(most, 0)


@shared_task(name="notifications.digest")
def send_digest() -> str:
    return "sent the digest"


@shared_task(name="notifications.abandoned_carts")
def remind_of_carts() -> str:
    return "reminded nobody twice"


@shared_task(name="clean_up.sessions")
def clean_up_sessions(older_than_days: int) -> str:
    return f"forgot sessions of more than {older_than_days} days"


@shared_task(name="clean_up.logs")
def clean_up_logs(older_than_days: int) -> str:
    return f"deleted logs of more than {older_than_days} days"
