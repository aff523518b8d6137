"""The README of an exported model: what it is, where it comes from, how it was examined. Pure; knows no model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

USES = {
    "hf": "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
    'model = AutoModelForCausalLM.from_pretrained("FOLDER")\n'
    'tokenizer = AutoTokenizer.from_pretrained("FOLDER")',
    "adapter": "from peft import PeftModel\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n"
    'base = AutoModelForCausalLM.from_pretrained("BASE")  # the weights named under Base\n'
    'model = PeftModel.from_pretrained(base, "FOLDER")\n'
    'tokenizer = AutoTokenizer.from_pretrained("FOLDER")',
    "gguf": "llama-cli -m FOLDER/model.gguf --jinja",
}


def card(told: Mapping[str, Any]) -> str:
    """Markdown with the header that model hubs read. `told` is the content of the export's `metadata.json`."""
    return "\n".join([*_header(told), "", *_body(told)]) + "\n"


def _header(told: Mapping[str, Any]) -> Iterator[str]:
    adapter = told["adapter"]
    yield from ("---", f"library_name: {'peft' if adapter else 'transformers'}", "pipeline_tag: text-generation")
    yield f"base_model: {json.dumps(told['model']['base'], ensure_ascii=False)}"
    yield from ("tags:", "- realm", *(["- lora"] if adapter else []), "---")


def _body(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"# {told['checkpoint']}"
    yield ""
    yield f"A checkpoint of the hero {told['lineage']['hero']} after {told['progress']['step']:,} steps of training"
    yield f"({told['progress']['tokens']:,} trained tokens), exported by Realm {told['versions'].get('realm', '')}."
    yield from ("", "## Examined", "", *_levels(told["levels"]))
    parity = told["parity"]
    yield from ("", f"Checked: {parity['equal']} of {parity['prompts']} greedy answers are as before the export.")
    yield from ("", "## Where it comes from", "")
    yield from (f"- {name}: {value}" for name, value in _lineage(told))
    yield from ("", "## How it was trained", "")
    yield from (f"- `{name}`: {json.dumps(value, ensure_ascii=False)}" for name, value in told["training"].items())
    yield from ("", "## Use", "", "```python" if told["format"] != "gguf" else "```")
    yield USES["gguf" if told["format"] == "gguf" else "adapter" if told["adapter"] else "hf"]
    yield "```"


def _levels(levels: Mapping[str, int]) -> Iterator[str]:
    if not levels:
        yield "No level of any skill is mastered yet."
        return
    yield from ("| skill | mastered level |", "|---|---|")
    yield from (f"| {skill} | {level} |" for skill, level in sorted(levels.items()))


def _lineage(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    lineage = told["lineage"]
    yield "Campaign", f"{lineage['hero']}:{lineage['campaign']}"
    yield "Run", lineage["run"] or "-"
    yield "Parent checkpoint", lineage["parent"] or "first weights"
    yield "Quests since the parent (sha256)", ", ".join(lineage["quests"]) or "-"
    base = lineage.get("base") or {}
    yield "Base", f"{base['base_model']} (sha256 {base['sha256']})" if base else told["model"]["base"]
    yield "Program", told["git_commit"] or "a release"
