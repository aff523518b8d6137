"""How long one waits for `realm --help`, and for the page after `realm start-all`.

python benchmarks/startup.py [--helps 5] [--starts 3]

Real processes, from their start until they have ended, or until the page answers with 200 (looked at every 20 ms);
each start in a new workspace, its tables not yet made. `python -c pass` takes turns with each of them: the yardstick
of a machine that has other work too. Prints medians in seconds and the ratios measured in this run.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

REALM = str(Path(sys.executable).with_name("realm"))
PATIENCE_SECONDS = 120.0


def seconds(task: Callable[[], object]) -> float:
    began = time.perf_counter()
    task()
    return time.perf_counter() - began


def run(*command: str, environment: dict[str, str] | None = None) -> None:
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)


def python() -> float:
    return seconds(lambda: run(sys.executable, "-c", "pass"))


def start() -> float:
    """Seconds from `realm start-all` until its page answers."""
    with tempfile.TemporaryDirectory() as folder:
        page, watchtower = free_port(), free_port()
        environment = {
            **os.environ,
            "REALM_HOME": folder,
            "REALM_SERVICES__TAVERN_PORT": str(page),
            "REALM_SERVICES__WATCHTOWER_PORT": str(watchtower),
            "REALM_SERVICES__ORACLE_PORT": str(free_port()),
            "REALM_SERVICES__VAULT_PORT": "0",
        }
        run(REALM, "init", folder, environment=environment)
        began = time.perf_counter()
        starting = subprocess.Popen([REALM, "start-all"], env=environment, stdout=subprocess.DEVNULL)
        try:
            while not answers(f"http://localhost:{page}/"):
                if time.perf_counter() - began > PATIENCE_SECONDS:
                    sys.exit(f"The page did not answer within {PATIENCE_SECONDS:.0f} s.")
                time.sleep(0.02)
            return time.perf_counter() - began
        finally:
            starting.wait()
            run(REALM, "stop-all", environment=environment)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def report(name: str, task: Callable[[], float], repeats: int) -> None:
    """The two take turns, so that a busy machine slows both."""
    yardstick, taken = zip(*((python(), task()) for _ in range(repeats)), strict=True)
    bare, ours = statistics.median(yardstick), statistics.median(taken)
    print(f"{name:<32} {ours:6.3f} s   python -c pass {bare:.3f} s   ratio {ours / bare:5.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--helps", type=int, default=5)
    parser.add_argument("--starts", type=int, default=3)
    chosen = parser.parse_args()
    run(REALM, "--help")  # the first one of a fresh install also compiles
    report("realm --help", lambda: seconds(lambda: run(REALM, "--help")), chosen.helps)
    report("realm start-all, page answers", start, chosen.starts)


if __name__ == "__main__":
    main()
