"""Quest files, checkpoints, addresses and the page. Reads no file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from realm.config.schema.base import SKILL_PORTS, Ports, Settings, Table, Words

Finding = Literal[
    "leakage", "trained_before", "duplicate", "near_duplicate", "loop", "echo", "invisible", "one_character",
    "length_ratio", "foreign_template", "broken_text",
]  # fmt: skip
"""What deep validation finds in rows (docs: validation)."""
REFUSED = {"leakage": 0.001}


def _with_usual_shares(value: Any) -> Any:
    return {**REFUSED, **value} if isinstance(value, dict) else value


Shares = Annotated[dict[Finding, Annotated[float, Field(ge=0, le=1)]], BeforeValidator(_with_usual_shares)]


class QuestSettings(Settings):
    """How quest files are taken and checked."""

    settle_seconds: float = Field(0.3, ge=0)
    """A file is taken when it stood still that long."""
    rescan_seconds: float = Field(10.0, gt=0)
    """Look at the inbox at least this often."""
    bad_row_fraction: float = Field(0.01, ge=0, le=1)
    """Share of bad rows that are set aside; above it the file fails."""
    max_line_bytes: int = Field(8_000_000, ge=1000)
    """Longer lines are bad rows."""
    max_upload_bytes: int = Field(2_000_000_000, ge=1)
    """Largest file the page accepts."""
    max_retries: int = Field(2, ge=0)
    """Tries after a failure."""
    sample_rows: int = Field(500, ge=1)
    """Rows whose tokens are counted in standard validation."""
    validation: Literal["standard", "deep"] = "standard"
    """How thoroughly a file that arrives is checked (docs: validation)."""
    refuse_above: Shares = REFUSED  # type: ignore[assignment]
    """Deep validation refuses a file of which more than that share of rows has a finding; other findings only warn.
    What a file names is added to these."""


class RetentionSettings(Settings):
    """Which checkpoints stay. The newest, the champion, a named version and what is being read always do."""

    enabled: bool = True
    """Drop, after each save and examination, what none of the following keeps."""
    keep_newest: int = Field(3, ge=1)
    """The newest ones."""
    keep_champion: bool = True
    """The best by examination."""
    keep_first_at_level: bool = True
    """The first at each mastered level."""
    keep_best_per_skill: bool = True
    """The best of each skill by examination."""
    keep_daily: int = Field(7, ge=0)
    """The last one of each of so many days, the newest days on which something was saved."""
    keep_parents: bool = True
    """The parent of the newest one, and the ones that a live campaign or an export began with."""
    max_bytes: int = Field(0, ge=0)
    """Most bytes of checkpoints in the workspace, all campaigns together; 0: as many as the disk holds."""
    min_free_bytes: int = Field(1_000_000_000, ge=0)
    """Room to leave on the workspace's disk. Like `max_bytes` it takes the least valuable checkpoints first."""


def at_most(retention: RetentionSettings, newest: int) -> RetentionSettings:
    """The policy of a training that says itself how many of its newest checkpoints stay."""
    return retention.model_copy(update={"keep_newest": newest, "keep_daily": 0, "keep_parents": False})


class ZoneSettings(Settings):
    """A place for checkpoints beyond the workspace's disk."""

    url: str = ""
    """A folder, or any address that fsspec opens, such as s3://bucket/realm. Empty: there is no such zone."""
    max_bytes: int = Field(0, ge=0)
    """Most bytes of checkpoints there; 0: no limit."""
    options: Table = {}
    """What fsspec needs to open the address, by name."""


class StorageSettings(Settings):
    """Where checkpoints may lie besides the workspace, which is the hot zone (docs: vault)."""

    warm: ZoneSettings = ZoneSettings()
    """Takes what does not fit into the workspace's limits."""
    cold: ZoneSettings = ZoneSettings()
    """Takes what does not fit into the warm zone either."""


class ServiceSettings(Settings):
    """Addresses of the services."""

    bind: str = "127.0.0.1"
    """Address to listen on. Anything but loopback requires a token."""
    tavern_port: int = Field(8888, ge=0, le=65535)
    """Port of the page."""
    watchtower_port: int = Field(8081, ge=0, le=65535)
    """Port of the Prometheus metrics."""
    oracle_port: int = Field(8765, ge=0, le=65535)
    """Port of the OpenAI API."""
    vault_port: int = Field(8767, ge=0, le=65535)
    """Port of the checkpoints' API."""
    skill_ports: Ports = SKILL_PORTS
    """Port of each skill's service by the skill's id; what a file names is added to these. 0: not served."""
    serve_skills: bool = True
    """`realm start-all` and `realm play` also serve the skills that have a port."""
    serve_oracle: bool = True
    """`realm start-all` and `realm play` also serve the models for chat."""
    allowed_hosts: Words = ()
    """Further Host headers to accept."""
    hosts: dict[str, str] = {}
    """Services that run elsewhere: name = "http://host:port"."""
    token: str = ""
    """Required off loopback; made at start when empty."""


class PageSettings(Settings):
    """How the page looks."""

    skin: Literal["realm", "lab"] = "realm"
    """`lab` shows the plain words of the field."""
    theme: Literal["auto", "dark", "light"] = "auto"
    """Colours."""
