"""Traces, for those who have a collector: a span for a batch on its way, and one below it for each stage.

Spans are of batches and not of requests, since a batch may hold posts of many. They name stages and counts;
no text, id or creator is in them. Without the extra `trace` nothing of OpenTelemetry is imported.
"""

import time
from collections.abc import Sequence
from typing import Protocol

from sievert import __version__
from sievert.errors import MissingExtra
from sievert.serving.settings import Settings


class Spans(Protocol):
    """Takes what a batch did, when it is over."""

    def batch(self, what: str, records: int, laps: Sequence[tuple[str, int]], began: int) -> None:
        """Take a batch of so many records that began at a time, with each stage and when it ended (ns since 1970)."""
        ...

    def close(self) -> None:
        """Send what waits; at most a few seconds."""
        ...


class OtlpSpans:
    """Sends spans to a collector by OTLP over HTTP, from a thread of its own; what it cannot send is dropped."""

    def __init__(self, url: str, *, share: float, version: str) -> None:
        """Send a share of all batches to a collector's address, such as http://localhost:4318.

        Raises:
            MissingExtra: OpenTelemetry is not installed.
        """
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  an extra
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
            from opentelemetry.sdk.trace.sampling import TraceIdRatioBased  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtra(
                f"Sending traces (otlp_url) needs {error.name}.", remedy="pip install 'sievert[trace]'"
            ) from error
        named = Resource.create({"service.name": "sievert", "service.version": version})
        self._provider = TracerProvider(
            resource=named, sampler=TraceIdRatioBased(share), shutdown_on_exit=False
        )
        exporter = OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces", timeout=5)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("sievert")

    def batch(self, what: str, records: int, laps: Sequence[tuple[str, int]], began: int) -> None:
        """Make the spans after the fact, from the times that were noted."""
        from opentelemetry.trace import set_span_in_context  # noqa: PLC0415

        whole = self._tracer.start_span(what, start_time=began, attributes={"sievert.records": records})
        if whole.is_recording():
            inside, start = set_span_in_context(whole), began
            for stage, ended in laps:
                self._tracer.start_span(stage, context=inside, start_time=start).end(ended)
                start = ended
        whole.end(time.time_ns())

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


def spans_of(settings: Settings) -> Spans | None:
    """Return what takes spans, or None where nobody wants any."""
    if not settings.otlp_url:
        return None
    return OtlpSpans(settings.otlp_url, share=settings.otlp_share, version=__version__)
