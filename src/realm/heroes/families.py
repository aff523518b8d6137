"""What a family of models can do: load, tokenize, template, generate, say where adapters go. Knows no training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from realm.errors import HeroError
from realm.heroes import weights
from realm.heroes.chat import Message, Rendered, render, render_all, render_prompt
from realm.heroes.penalties import TokenPenalty
from realm.heroes.weights import Weights
from realm.registry import Registry

AdapterPart = Literal["attention", "all"]

_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj", "query_key_value", "c_attn", "out_proj")


class Family(ABC):
    """Models that are loaded, spoken to and trained in the same way."""

    id: str

    @abstractmethod
    def load_tokenizer(self, found: Weights) -> Any:
        """The tokenizer with its chat template; pads on the left."""

    @abstractmethod
    def load_model(self, found: Weights, tokenizer: Any, *, seed: str) -> Any:
        """The model in float32 on the CPU; `seed` names the first weights of one that is built."""

    def load_quantized(self, found: Weights, quantize: str) -> Any:
        """The model with its weights in bfloat16, or in 4 bits on the GPU, for an adapter to grow on.

        Raises HeroError if it cannot.
        """
        raise HeroError(
            f"The family '{self.id}' loads no quantised models ({quantize}).",
            hint="Set the adapter's quantize = 'none'.",
        )

    @abstractmethod
    def adapter_targets(self, model: Any, part: AdapterPart) -> list[str]:
        """Last names of the linear modules an adapter may sit on. Raises HeroError when there are none."""

    @abstractmethod
    def hidden_matrices(self, model: Any) -> list[str]:
        """Names of the 2-D parameters inside the layers: those Muon may train; not embeddings, head or norms."""

    def render(self, tokenizer: Any, row: Mapping[str, Any]) -> Rendered:
        """Token ids of a row and which of them are trained."""
        return render(tokenizer, row)

    def render_all(self, tokenizer: Any, rows: Sequence[Mapping[str, Any]]) -> list[Rendered]:
        """The same for many rows at once, in their order."""
        return render_all(tokenizer, rows)

    def render_prompt(self, tokenizer: Any, prompt: str | Sequence[Message]) -> list[int]:
        """Token ids of a question, up to where the answer begins."""
        return render_prompt(tokenizer, prompt)

    def answer(
        self,
        model: Any,
        tokenizer: Any,
        prompts: Sequence[str | Sequence[Message]],
        *,
        max_new_tokens: int,
        batch_size: int | None = None,
        before_batch: Callable[[], object] = lambda: None,
        penalties: Sequence[TokenPenalty] = (),
    ) -> list[str]:
        """Greedy answers in the order asked; `before_batch` is called before each batch of them.

        `penalties` are given only where a hero's profile has some.
        """
        from realm.heroes.generation import answer  # noqa: PLC0415 - torch stays behind the door

        return answer(
            model,
            tokenizer,
            prompts,
            max_new_tokens=max_new_tokens,
            batch_size=batch_size,
            before_batch=before_batch,
            penalties=penalties,
        )

    def sample(
        self,
        model: Any,
        tokenizer: Any,
        prompts: Sequence[str | Sequence[Message]],
        *,
        count: int,
        temperature: float,
        top_p: float,
        max_new_tokens: int,
        seed: str,
    ) -> list[list[str]]:
        """`count` sampled answers for each prompt, in the order asked; weights, seed and prompt alone decide them."""
        from realm.heroes.generation import sample  # noqa: PLC0415 - torch stays behind the door

        return sample(
            model,
            tokenizer,
            prompts,
            count=count,
            temperature=temperature,
            top_p=top_p,
            max_new_tokens=max_new_tokens,
            seed=seed,
        )


class TransformersFamily(Family):
    """Causal language models of the transformers library, the hatchling among them."""

    id = "transformers"

    def load_tokenizer(self, found: Weights) -> Any:
        weights.require_extra("transformers", "train", "Loading a hero")
        if found.folder is None:
            from realm.heroes.hatchling import tokenizer as hatchling  # noqa: PLC0415

            return hatchling.load()
        from transformers import AutoTokenizer  # noqa: PLC0415

        tokenizer = AutoTokenizer.from_pretrained(found.folder, **_gguf(found))
        tokenizer.padding_side = "left"
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    def load_model(self, found: Weights, tokenizer: Any, *, seed: str) -> Any:
        weights.require_extra("torch", "train", "Loading a hero")
        if found.folder is None:
            from realm.heroes.hatchling import model as hatchling  # noqa: PLC0415

            return hatchling.build(tokenizer, seed=seed)
        return _read(found)

    def load_quantized(self, found: Weights, quantize: str) -> Any:
        if found.folder is None or found.gguf_file:
            raise HeroError(
                f"Only weights in safetensors can be held in fewer bits ({quantize}), not those of hatchling and smol.",
                hint="Set the adapter's quantize = 'none': these heroes are small.",
            )
        if quantize == "bf16":
            return _read(found, "bf16")
        from realm.heroes.quantised import read  # noqa: PLC0415 - torch stays behind the door

        return read(found.folder)

    def adapter_targets(self, model: Any, part: AdapterPart) -> list[str]:
        names = {name.rpartition(".")[2] for name in _inner_linears(model)}
        wanted = sorted(name for name in names if part == "all" or name in _ATTENTION)
        if not wanted:
            raise HeroError(
                f"{type(model).__name__} has no {part} modules an adapter could sit on",
                hint="name them in the preset's adapter (target_modules), or train the full model",
            )
        return wanted

    def hidden_matrices(self, model: Any) -> list[str]:
        linears = {f"{name}.weight" for name in _inner_linears(model)}
        return [name for name, _ in model.named_parameters() if name in linears]


families: Registry[Family] = Registry("model family", "realm.families")
families.register(TransformersFamily.id, TransformersFamily)


def _inner_linears(model: Any) -> Iterator[str]:
    """Linear modules inside the layers: all but the head that writes the logits, and what sits on it."""
    import torch  # noqa: PLC0415
    from transformers.pytorch_utils import Conv1D  # noqa: PLC0415 - GPT-2's linear layers

    head = model.get_output_embeddings()
    heads = [name for name, module in model.named_modules() if module is head]
    for name, module in model.named_modules():
        of_the_head = any(name == part or name.startswith(f"{part}.") for part in heads)
        if isinstance(module, torch.nn.Linear | Conv1D) and not of_the_head:
            yield name


def _read(found: Weights, precision: Literal["float32", "bf16"] = "float32") -> Any:
    import torch  # noqa: PLC0415
    from transformers import AutoModelForCausalLM  # noqa: PLC0415

    how: dict[str, Any] = _gguf(found) or {"use_safetensors": True}
    try:
        with _quiet():
            model = AutoModelForCausalLM.from_pretrained(
                found.folder,
                dtype=torch.bfloat16 if precision == "bf16" else torch.float32,
                trust_remote_code=False,
                **how,
            )
        if found.gguf_file:
            _forget_quantization(model)
        return model
    except (OSError, ValueError, KeyError) as error:
        raise HeroError(
            f"The model in {found.folder} cannot be read: {error}",
            hint="Realm reads causal language models of transformers in safetensors, and never runs code of a model.",
        ) from error


def _forget_quantization(model: Any) -> None:
    """GGUF weights are float32 once they are read; what is left of their quantizer keeps adapters from training.

    In the config.json of a checkpoint it would also keep other programs from reading it.
    """
    model.hf_quantizer = None
    model.is_quantized = False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config


def _gguf(found: Weights) -> dict[str, str]:
    return {"gguf_file": found.gguf_file} if found.gguf_file else {}


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars in a service's log."""
    from transformers.utils import logging  # noqa: PLC0415

    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            logging.enable_progress_bar()


def checkpoint_weights(folder: Path) -> Weights:
    """The weights of a checkpoint folder. Raises WeightsMissing when it is no model."""
    return Weights(weights.complete(folder))
