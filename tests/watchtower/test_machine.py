from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil

from realm.watchtower import gpu, machine
from realm.watchtower.machine import MachineMeter


def test_reads_this_machine(tmp_path: Path) -> None:
    reading = MachineMeter(tmp_path).read()
    assert 0 <= reading.cpu_ratio <= 1
    assert 0 < reading.ram_used_bytes < reading.ram_total_bytes
    assert 0 < reading.disk_free_bytes <= reading.disk_total_bytes
    assert reading.as_json()["gpus"] == ()


def test_readings_close_together_are_one(tmp_path: Path) -> None:
    now = 0.0
    meter = MachineMeter(tmp_path, clock=lambda: now)
    first = meter.read()
    assert meter.read() is first
    now = 1.0
    assert meter.read() is not first


def test_used_ratio_counts_waiting_for_disk_as_idle() -> None:
    before = psutil.cpu_times()
    after = before._replace(user=before.user + 3, idle=before.idle + 5, iowait=before.iowait + 2)
    assert machine.used_ratio(before, after) == 0.3
    assert machine.used_ratio(before, before) == 0.0


def test_no_driver_no_devices() -> None:
    assert gpu.read(None) == ()


class Silent(Exception):
    """Stands for NVMLError."""


class Driver:
    """Two devices of which one is lost, and no power meter: written by hand after nvidia-ml-py 13."""

    NVMLError = Silent
    NVML_TEMPERATURE_GPU = 0

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if index == 1:
            raise Silent
        return index

    def nvmlDeviceGetMemoryInfo(self, _handle: int) -> SimpleNamespace:
        return SimpleNamespace(used=3, total=10)

    def nvmlDeviceGetName(self, _handle: int) -> bytes:
        return b"H100"

    def nvmlDeviceGetUtilizationRates(self, _handle: int) -> SimpleNamespace:
        return SimpleNamespace(gpu=50)

    def nvmlDeviceGetTemperature(self, _handle: int, _sensor: int) -> int:
        return 40

    def nvmlDeviceGetPowerUsage(self, _handle: int) -> int:
        raise Silent


def test_devices_answer_what_they_can() -> None:
    assert gpu.read(Driver()) == (gpu.Gpu(0, "H100", 0.5, 3, 10, 40, None),)
