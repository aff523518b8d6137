"""Device memory, temperature, disk, RAM and number formats of this machine. Imports no torch."""

from __future__ import annotations

import os
import time

from realm.config.hardware import detect
from realm.temple.check import Check, Finding, at_most, fail, ok, skip, warn
from realm.temple.diagnosis.memory import FEWEST_SAMPLES, Sample, forecast
from realm.temple.scene import Scene

RAM_WARN, RAM_FAIL = 0.92, 0.99
DEVICE_WARN, DEVICE_FAIL = 0.97, 0.999
HOT_CELSIUS, TOO_HOT_CELSIUS = 85.0, 95.0
SLOW_DISK_SECONDS, DEAD_DISK_SECONDS = 2.0, 30.0
GROWTH_VERDICTS = 50
PROBE_BYTES = 1_000_000
AMPERE = 8.0
"""Compute capability from which NVIDIA cards multiply in bfloat16."""


def ram(scene: Scene) -> Finding:
    machine = scene.machine
    used = machine.ram_used_bytes / machine.ram_total_bytes
    words = f"{used:.0%} of {machine.ram_total_bytes / 1e9:.1f} GB used"
    limit = f"{RAM_WARN:.0%}; {RAM_FAIL:.0%} at the very most"
    remedy = "Close other programs, or train with less at once: realm config set training.per_device_train_batch_size 1"
    return at_most(used, RAM_WARN, RAM_FAIL, words, limit, remedy)


def memory_growth(scene: Scene) -> Finding:
    """Whether the training process grows from verdict to verdict, and when that would fill the memory."""
    seen = [v for v in reversed(scene.verdicts.newest(scene.key, GROWTH_VERDICTS)) if "memory" in v.evidence]
    own = [v for v in seen if v.evidence["memory"]["pid"] == seen[-1].evidence["memory"]["pid"]]
    samples = [Sample(v.time, v.evidence["memory"]["used_bytes"]) for v in own]
    if len(samples) < FEWEST_SAMPLES:
        return skip(f"{len(samples)} verdicts of one process; {FEWEST_SAMPLES} tell growth")
    free = scene.machine.ram_total_bytes - scene.machine.ram_used_bytes
    told = forecast(samples, samples[-1].used_bytes + free)
    limit = "no growth that fills the memory within a week"
    return warn(told.seen, limit, told.advice) if told.severity == "bad" else ok(told.seen, limit)


def disk(scene: Scene) -> Finding:
    """A small file is written, synced, read back and removed."""
    probe = scene.workspace.root / f".probe-{os.getpid()}"
    content, began = os.urandom(PROBE_BYTES), time.perf_counter()
    try:
        with open(probe, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        same = probe.read_bytes() == content
    except OSError as error:
        remedy = "Free some room or mend the disk; move the workspace to another one with mv."
        return fail(f"{error.strerror}: {probe.parent}", "a file can be written", remedy)
    finally:
        probe.unlink(missing_ok=True)
    seconds = time.perf_counter() - began
    if not same:
        return fail("what was read differs from what was written", "the same bytes", "Do not train on this disk.")
    return at_most(
        seconds, SLOW_DISK_SECONDS, DEAD_DISK_SECONDS, f"1 MB written, synced and read back in {seconds:.2f} s",
        f"{SLOW_DISK_SECONDS:g} s; {DEAD_DISK_SECONDS:g} s at the very most",
        "Another program may keep the disk busy; or move the workspace to a faster one.",
    )  # fmt: skip


def device_memory(scene: Scene) -> Finding:
    cards = scene.machine.gpus
    if not cards:
        return skip("no graphics card whose driver answers: the processor trains")
    used = max(card.memory_used_bytes / card.memory_total_bytes for card in cards)
    words = ", ".join(
        f"{c.name}: {c.memory_used_bytes / 1e9:.1f} of {c.memory_total_bytes / 1e9:.1f} GB" for c in cards
    )
    limit = f"{DEVICE_WARN:.0%}; {DEVICE_FAIL:.1%} at the very most"
    return at_most(used, DEVICE_WARN, DEVICE_FAIL, words, limit, "See what else uses the card: nvidia-smi")


def temperature(scene: Scene) -> Finding:
    known = [card.temperature_celsius for card in scene.machine.gpus if card.temperature_celsius is not None]
    if not known:
        return skip("no device tells its temperature")
    hottest = max(known)
    limit = f"{HOT_CELSIUS:g} degrees Celsius; {TOO_HOT_CELSIUS:g} at the very most"
    remedy = "Give it air, or lower its power limit: nvidia-smi -pl WATTS. A hot card is slowed down by its driver."
    return at_most(hottest, HOT_CELSIUS, TOO_HOT_CELSIUS, f"{hottest:g} degrees Celsius", limit, remedy)


def number_format(scene: Scene) -> Finding:
    """Whether the format that the settings ask for suits the device."""
    asked, machine = scene.resolved.hyperparameters.bf16, detect()
    if asked == "auto" or not asked:
        return ok(f"bf16 = {asked}", "what the device can multiply in")
    old = [card.name for card in machine.gpus if float(card.compute_capability or 0) < AMPERE]
    if old:
        remedy = "Let the program choose: realm config set training.bf16 auto"
        return fail(f"bf16 = true, and {', '.join(old)} cannot multiply in it", "what the device can", remedy)
    if machine.device == "cpu":
        remedy = "Where the processor has no instructions for it this is slower: realm config set training.bf16 auto"
        return warn("bf16 = true on a processor", "bf16 = auto", remedy)
    return ok("bf16 = true", "what the device can multiply in")


CHECKS = (
    Check("ram", "hardware", "memory is left for the next batch", ram),
    Check("memory-growth", "hardware", "the training process does not grow until memory is full", memory_growth),
    Check("disk", "hardware", "what is written can be read back, in reasonable time", disk),
    Check("device-memory", "hardware", "the cards have memory left", device_memory),
    Check("temperature", "hardware", "the cards are not too hot", temperature),
    Check("number-format", "hardware", "the device multiplies in the format that is asked for", number_format),
)
