"""`python -m tidewheel_scheduler`: the same as `celery -A tidewheel_scheduler beat`, without the banner."""

from tidewheel_scheduler.celery import app


def main() -> None:
    """Be a Celery Beat process until SIGTERM or SIGINT."""
    app.Beat(quiet=True).run()


if __name__ == "__main__":
    main()
