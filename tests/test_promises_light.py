"""The page, the ledgers and the command line run where torch is not installed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.promises import SOURCE, module_name, room, source_files

BLOCKED = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "safetensors", "gguf")
LIGHT_ROOMS = ("tavern", "vault", "weaver", "watchtower", "quests", "guild", "config", "temple", "jobs")
LIGHT_MODULES = ("realm.cli", "realm.heroes", "realm.arena", "realm.oracle", "realm.events", "realm.clients")
HOOK = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocked())
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh Python that has none of the training packages."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("REALM_")}
    return subprocess.run(
        [sys.executable, "-c", HOOK + code], capture_output=True, text=True, timeout=120, env=environment, check=False
    )


def test_light_rooms_import_without_torch(capsys: pytest.CaptureFixture[str]) -> None:
    names = [module_name(file) for file in source_files() if room(module_name(file)) in LIGHT_ROOMS]
    names += [name for name in LIGHT_MODULES if (SOURCE.parent / name.replace(".", "/")).exists()]
    done = run(
        "import importlib\nfailed = []\n"
        f"for name in {names!r}:\n"
        "    try:\n        importlib.import_module(name)\n"
        "    except ImportError as error:\n        failed.append(f'{name}: {error}')\n"
        "print('\\n'.join(failed))\n"
    )
    with capsys.disabled():
        print(f"\n  light: {len(names)} modules", end="")
    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["presets"], ["train", "oracle-rauru-mac", "--dry-run"]]
)
def test_commands_that_need_no_torch_run_without_it(arguments: list[str]) -> None:
    done = run(f"from realm.cli import main\nmain({arguments!r})\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout
