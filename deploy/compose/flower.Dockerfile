# Flower, on the very Celery that executors run.
ARG BASE=python:3.12-slim-bookworm
# hadolint ignore=DL3006
FROM ${BASE}
ENV PATH=/flower/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
RUN python3 -m venv /flower && \
    pip install --no-cache-dir flower==2.2.0 celery==5.7.0 kombu==5.7.0 'redis>=6.1,<8' packaging==26.3
USER 10001:10001
CMD ["celery", "flower", "--conf=/etc/flower/flowerconfig.py"]
