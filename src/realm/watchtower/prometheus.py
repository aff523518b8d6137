"""The text that Prometheus scrapes, out of the database at each scrape. Knows no HTTP.

Names: prefix `realm_`, base units, `_total` for counters, few label values (docs/storage.md lists them).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from realm.records import CampaignKey
from realm.watchtower.machine import Machine
from realm.watchtower.metrics import Metrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def _nothing() -> Mapping[str, int]:
    return {}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the numbers come from. What other places know is handed in as callables, called at each scrape."""

    key: CampaignKey
    metrics: Metrics
    machine: Callable[[], Machine]
    queue: Callable[[], Mapping[str, int]] = _nothing
    """Quests by state."""
    levels: Callable[[], Mapping[str, int]] = _nothing
    """Mastered level by skill."""
    checkpoint_bytes: Callable[[], int] = lambda: 0
    now: Callable[[], float] = time.time


class RealmCollector:
    """Asks the sources when Prometheus does; keeps no number of its own."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterable[Metric]:
        yield from self._training()
        yield from self._progress()
        yield from self._machine()

    def _training(self) -> Iterable[Metric]:
        metrics, key = self._sources.metrics, self._sources.key
        if latest := metrics.latest(key):
            yield _gauge("realm_train_step", "Optimizer steps of the campaign.", latest.step)
            yield _gauge("realm_train_loss", "Training loss of the newest step.", latest.loss)
            yield _gauge("realm_train_grad_norm", "Gradient norm of the newest step.", latest.grad_norm)
            yield _gauge("realm_train_learning_rate", "Learning rate of the newest step.", latest.learning_rate)
            yield _gauge("realm_train_step_seconds", "Duration of the newest step.", latest.step_seconds)
            yield _gauge("realm_train_last_step_timestamp_seconds", "Unix time of the newest step.", latest.time)
        totals = metrics.totals(key)
        rate = metrics.throughput(key, now=self._sources.now())
        yield _counter("realm_train_tokens", "Tokens trained in the campaign (those that carry loss).", totals.tokens)
        yield _counter("realm_train_input_tokens", "Tokens read in the campaign.", totals.input_tokens)
        yield _counter("realm_train_seconds", "Time spent in optimizer steps.", totals.seconds)
        yield _gauge("realm_train_input_tokens_per_second", "Over the last 10 seconds.", rate.input_tokens)

    def _progress(self) -> Iterable[Metric]:
        sources = self._sources
        yield _labelled("realm_queue_quests", "Quests by state.", "state", sources.queue())
        yield _labelled("realm_skill_level", "Mastered level by skill.", "skill", sources.levels())
        yield _gauge("realm_checkpoint_bytes", "Size of all checkpoints on disk.", sources.checkpoint_bytes())
        info = GaugeMetricFamily("realm_campaign_info", "The campaign in play.", labels=["hero", "campaign"])
        info.add_metric([sources.key.hero, sources.key.campaign], 1)
        yield info

    def _machine(self) -> Iterable[Metric]:
        machine = self._sources.machine()
        yield _gauge("realm_cpu_used_ratio", "Share of all processors in use.", machine.cpu_ratio)
        yield _gauge("realm_memory_used_bytes", "Memory in use.", machine.ram_used_bytes)
        yield _gauge("realm_memory_total_bytes", "Memory of the machine.", machine.ram_total_bytes)
        yield _gauge("realm_disk_free_bytes", "Room on the workspace's disk.", machine.disk_free_bytes)
        yield _gauge("realm_disk_total_bytes", "Size of the workspace's disk.", machine.disk_total_bytes)
        gpus = {str(gpu.index): gpu for gpu in machine.gpus}
        yield _labelled("realm_gpu_used_ratio", "Share of time a kernel ran.", "gpu",
                        {index: gpu.used_ratio for index, gpu in gpus.items()})  # fmt: skip
        yield _labelled("realm_gpu_memory_used_bytes", "Device memory in use.", "gpu",
                        {index: gpu.memory_used_bytes for index, gpu in gpus.items()})  # fmt: skip
        yield _labelled("realm_gpu_memory_total_bytes", "Device memory.", "gpu",
                        {index: gpu.memory_total_bytes for index, gpu in gpus.items()})  # fmt: skip


def registry(sources: Sources) -> CollectorRegistry:
    """A registry of one app; the library's global one is not used."""
    made = CollectorRegistry()
    made.register(RealmCollector(sources))
    return made


def text(collectors: CollectorRegistry) -> bytes:
    """What `/metrics` answers, in the text format 0.0.4."""
    return generate_latest(collectors)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value=value)


def _counter(name: str, about: str, value: float) -> Metric:
    """Its sample is named with `_total`."""
    return CounterMetricFamily(name, about, value=value)


def _labelled(name: str, about: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family
