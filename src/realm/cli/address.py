"""Where a person finds the page: its address, with the token that it asks for beyond this machine."""

from __future__ import annotations

from urllib.parse import quote

from realm.config.schema import RealmSettings, ServiceSettings
from realm.http import is_loopback, new_token

EVERYWHERE = {"0.0.0.0", "::"}


def with_token(settings: RealmSettings) -> RealmSettings:
    """The settings as they are, with a token where one is required and none is set: never open to a network."""
    services = settings.services
    if is_loopback(services.bind) or services.token:
        return settings
    return settings.model_copy(update={"services": services.model_copy(update={"token": new_token()})})


def page_url(services: ServiceSettings) -> str:
    """The page's address without a token."""
    return f"http://{host_of(services)}:{services.tavern_port}"


def host_of(services: ServiceSettings) -> str:
    """What to write for the host in an address."""
    host = "localhost" if is_loopback(services.bind) or services.bind in EVERYWHERE else services.bind
    return f"[{host}]" if ":" in host else host


def page_address(services: ServiceSettings) -> str:
    """What to open in a browser: beyond this machine with the token, which the page then keeps in a cookie."""
    if is_loopback(services.bind):
        return page_url(services)
    return f"{page_url(services)}/?token={quote(services.token, safe='')}"
