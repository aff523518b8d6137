"""How models are served for chat. Reads no file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from realm.config.schema.base import Settings


class OracleSettings(Settings):
    """The service that answers for every model of the realm (docs: oracle)."""

    memory_bytes: int = Field(8_000_000_000, ge=1_000_000)
    """What the weights of all loaded models may take together; the one not used for longest goes first."""
    cache_bytes: int = Field(1_000_000_000, ge=1_000_000)
    """What the answers that one model is writing may take."""
    idle_seconds: float = Field(900.0, gt=0)
    """A model that nobody asked for so long is unloaded."""
    rows: int = Field(32, ge=1, le=1024)
    """Answers that one model writes at once."""
    queue: int = Field(64, ge=1)
    """Requests that may wait for one model; more are told when to come again (429)."""
    answer_tokens: int = Field(1024, ge=1)
    """Tokens of the longest answer."""
    max_body_bytes: int = Field(4_000_000, ge=1000)
    """Largest request."""
    sharing: Literal["training_first", "chat_first", "pause_on_chat"] = "training_first"
    """Who goes first when a hero trains and somebody chats on the same machine."""
    backend: str = ""
    """Another server with the OpenAI API that is asked first, such as `http://gpu-box:8000/v1`; what it cannot answer
    is answered here."""
    backend_models: dict[str, str] = {}
    """What a name of ours is called there; without any it is asked by our own names."""
    backend_key_variable: str = ""
    """Environment variable that holds its key."""
