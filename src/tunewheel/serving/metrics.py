"""What the service counts and times, in the text form that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from tunewheel.serving.recording import Recording
    from tunewheel.serving.repeats import Repeats
    from tunewheel.serving.service import Service

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counters of one service, in a registry of their own.

    >>> metrics = Metrics()
    >>> metrics.request("predict", "tickets", 200, 0.012)
    >>> metrics.event("batch", {"size": 3, "tokens": 40, "seconds": 0.01, "waiting": 2})
    >>> b'tunewheel_batch_texts_sum 3.0' in metrics.text() and b'tunewheel_queue_depth 2.0' in metrics.text()
    True
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry}
        self._requests = Counter(
            *("tunewheel_requests", "Requests that were answered or refused.", ("route", "model", "status")), **own
        )
        self._seconds = Histogram(
            *("tunewheel_request_seconds", "From a request to the end of its answer.", ("route", "model")),
            **{**own, "buckets": _SECONDS},
        )
        self._texts = Counter("tunewheel_texts", "Texts that were answered.", ("model",), **own)
        self._batches = Histogram("tunewheel_batch_texts", "Texts of a batch.", buckets=_SIZES, **own)
        self._computed = Histogram("tunewheel_batch_seconds", "A worker's time for a batch.", buckets=_SECONDS, **own)
        self._depth = Gauge("tunewheel_queue_depth", "Texts that wait for a worker.", **own)
        self._shed = Counter("tunewheel_shed", "Requests refused since too much waited.", ("model",), **own)
        self._swaps = Counter("tunewheel_swaps", "Versions that took over.", ("model",), **own)
        self._refused = Counter("tunewheel_swaps_refused", "Versions that could not take over.", ("model",), **own)
        self._deaths = Counter("tunewheel_worker_deaths", "Workers that died and were replaced.", **own)
        self._children: dict[tuple[str, ...], Any] = {}

    def watch(self, service: Service, repeats: Repeats, recorder: Recording | None = None) -> None:
        """Show which versions answer, what is kept for requests that come again, and what became of the records."""
        self.registry.register(_State(service, repeats, recorder))

    def request(self, route: str, model: str, status: int, seconds: float, texts: int = 0) -> None:
        """Count one request; ``model`` is the name of one that is served, or empty."""
        key = (route, model, str(status))
        if key not in self._children:  # finding a labelled counter takes as long as counting
            self._children[key] = (
                self._requests.labels(*key),
                self._seconds.labels(route, model),
                self._texts.labels(model),
            )
        count, timed, answered = self._children[key]
        count.inc()
        timed.observe(seconds)
        if texts:
            answered.inc(texts)

    def event(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Count what the service tells of itself."""
        if "waiting" in fields:
            self._depth.set(fields["waiting"])
        model = str(fields.get("model", ""))
        match kind:
            case "batch":
                self._batches.observe(fields["size"])
                self._computed.observe(fields["seconds"])
            case "shed":
                self._shed.labels(model).inc()
            case "swap":
                self._swaps.labels(model).inc()
            case "swap_refused":
                self._refused.labels(model).inc()
            case "worker_died":
                self._deaths.inc()

    def text(self) -> bytes:
        """Everything, as ``/metrics`` gives it."""
        return generate_latest(self.registry)


class _State(Collector):
    """What is looked at when somebody asks, and not counted along."""

    def __init__(self, service: Service, repeats: Repeats, recorder: Recording | None) -> None:
        self._service, self._repeats, self._recorder = service, repeats, recorder

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("tunewheel_ready", "Whether requests are answered.", value=float(self._service.ready))
        versions = InfoMetricFamily("tunewheel_version", "Versions that answer.", labels=("model",))
        for served in self._service.served():
            versions.add_metric([served.name], {"version": served.ref, "variant": served.variant, "task": served.task})
        yield versions
        asked = CounterMetricFamily(
            *("tunewheel_version_requests", "Requests by version and what became of them."),
            labels=("version", "outcome"),
        )
        for (ref, outcome), count in sorted(self._service.trials.tally.versions.items()):
            asked.add_metric([ref, outcome], float(count))
        yield asked
        stages = InfoMetricFamily("tunewheel_rollout", "Candidates that are being rolled out.", labels=("model",))
        for served in self._service.served():
            if (found := self._service.trials.get(served.name)) is not None:
                told = {"candidate": f"{served.name}:{found.candidate}", "stage": found.stage}
                stages.add_metric([served.name], told)
        yield stages
        held = float(self._repeats.held)
        yield GaugeMetricFamily("tunewheel_repeats_bytes", "Answers kept for requests that come again.", value=held)
        if self._recorder is None:
            return
        counts = self._recorder.counts
        records = CounterMetricFamily("tunewheel_records", "Exchanges by what became of them.", labels=("state",))
        for state in ("recorded", "dropped"):
            records.add_metric([state], float(counts.get(state, 0)))
        yield records
        yield GaugeMetricFamily(
            "tunewheel_records_waiting", "Exchanges not written yet.", value=float(counts.get("waiting", 0))
        )
