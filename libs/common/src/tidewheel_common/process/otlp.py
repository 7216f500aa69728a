"""The part of tracing that loads the OpenTelemetry SDK; imported only where spans leave the process."""

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter


def install_provider(service: str, *, endpoint: str | None, exporter: SpanExporter | None) -> TracerProvider:
    """Send this process's spans to the exporter or to the endpoint; a provider that is installed already stays.

    Source: a base endpoint gets `/v1/traces` appended, https://opentelemetry.io/docs/specs/otel/protocol/exporter/
    """
    present = trace.get_tracer_provider()
    if isinstance(present, TracerProvider):
        return present
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    target = exporter or OTLPSpanExporter(endpoint=f"{(endpoint or '').rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(target))
    trace.set_tracer_provider(provider)
    return provider
