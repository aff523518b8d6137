"""The command that serves a checkpoint with vLLM, for a machine with a GPU. Reads two small files, starts nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def command(name: str, folder: Path, *, base: str = "", host: str = "127.0.0.1", port: int = 8000) -> list[str]:
    """The words of the command. `base` is the model that an adapter in `folder` sits on; empty for whole weights."""
    words = ["vllm", "serve", base or str(folder), "--host", host, "--port", str(port)]
    if base:
        words += ["--served-model-name", f"{name}-base", "--enable-lora", "--lora-modules", f"{name}={folder}"]
        if rank := _read(folder / "adapter_config.json").get("r"):
            words += ["--max-lora-rank", str(rank)]
    else:
        words += ["--served-model-name", name]
    template = folder / "chat_template.jinja"
    if template.is_file():
        words += ["--chat-template", str(template)]
    if context := _read(folder / "config.json").get("max_position_embeddings"):
        words += ["--max-model-len", str(context)]
    return words


def _read(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}
