"""How one service reaches another: its address and a few small calls. Knows no service's meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

import httpx

from realm.errors import ServiceError
from realm.registry import unknown

TIMEOUT_SECONDS = 5.0


class Addresses(Protocol):
    """What the settings say about addresses (`realm.config.schema.ServiceSettings`)."""

    @property
    def bind(self) -> str: ...
    @property
    def tavern_port(self) -> int: ...
    @property
    def watchtower_port(self) -> int: ...
    @property
    def oracle_port(self) -> int: ...
    @property
    def vault_port(self) -> int: ...
    @property
    def skill_ports(self) -> Mapping[str, int]: ...
    @property
    def hosts(self) -> Mapping[str, str]: ...
    @property
    def token(self) -> str: ...


def get_service_url(name: str, settings: Addresses) -> str:
    """Where a service answers, without a slash at the end; a skill's is named `skill-bin`.

    Raises UsageError naming the nearest known service.
    """
    local = {
        "tavern": settings.tavern_port,
        "watchtower": settings.watchtower_port,
        "oracle": settings.oracle_port,
        "vault": settings.vault_port,
    }
    local |= {f"skill-{skill}": port for skill, port in settings.skill_ports.items() if port}
    if name in settings.hosts:
        return settings.hosts[name].rstrip("/")
    if name not in local:
        raise unknown("service", name, {*local, *settings.hosts})
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.bind, settings.bind)
    return f"http://{host}:{local[name]}"


def is_up(name: str, settings: Addresses, *, timeout: float = TIMEOUT_SECONDS) -> bool:
    """Whether the service says that it is healthy."""
    try:
        with client(name, settings, timeout=timeout) as asked:
            return asked.get("/health").is_success
    except httpx.HTTPError:
        return False


def get_json(name: str, settings: Addresses, path: str, *, timeout: float = TIMEOUT_SECONDS) -> Any:
    """What the service answers to GET. Raises ServiceError in words when it does not."""
    try:
        with client(name, settings, timeout=timeout) as asked:
            response = asked.get(path)
            response.raise_for_status()
            return response.json()
    except (httpx.HTTPError, ValueError) as error:
        url = get_service_url(name, settings)
        raise ServiceError(f"The {name} at {url} does not answer: {error}", hint="Start it: realm start-all") from error


def ask_vault_first(
    asset: str, fallback: Callable[[str], Sequence[Mapping[str, Any]]], settings: Addresses
) -> Sequence[Mapping[str, Any]]:
    """Where an asset lies: what the vault says, or what `fallback` finds where the vault is silent or does not know it.

    Each place has `zone`, `path`, `state` and `url` (empty where it cannot be downloaded).
    """
    try:
        return list(get_json("vault", settings, f"/api/locate/{quote(asset, safe='')}")["locations"])
    except ServiceError:
        return fallback(asset)


def client(name: str, settings: Addresses, *, timeout: float = TIMEOUT_SECONDS) -> httpx.Client:
    """A client of one service, with the token; proxies of the environment are not for services of one's own."""
    headers = {"Authorization": f"Bearer {settings.token}"} if settings.token else {}
    return httpx.Client(base_url=get_service_url(name, settings), headers=headers, timeout=timeout, trust_env=False)
