"""The address that is printed at start opens the page, beyond this machine too; without a token nothing does."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from realm.cli.address import page_address, page_url, with_token
from realm.config.schema import RealmSettings, ServiceSettings
from realm.http import make_app


def listening(bind: str, token: str = "") -> RealmSettings:
    return RealmSettings(services=ServiceSettings(bind=bind, token=token))


@pytest.mark.parametrize("bind", ["0.0.0.0", "192.0.2.7", "::"])
def test_the_address_beyond_this_machine_carries_a_token_that_opens_the_page(bind: str) -> None:
    services = with_token(listening(bind)).services
    assert services.token
    app = make_app("page", settings=services)
    app.get("/")(lambda: "the page")
    with TestClient(app, base_url=page_url(services)) as page:
        assert page.get("/").status_code == 401
        assert page.get(page_address(services)).status_code == 200
        assert page.get("/").status_code == 200, "the cookie holds it"


def test_a_token_of_ones_own_stays_and_is_quoted() -> None:
    settings = listening("0.0.0.0", "a b&c")
    assert with_token(settings) == settings
    assert parse_qs(urlsplit(page_address(settings.services)).query) == {"token": ["a b&c"]}


def test_on_this_machine_there_is_no_token() -> None:
    settings = listening("127.0.0.1", "unused")
    assert with_token(settings) == settings
    assert page_address(settings.services) == page_url(settings.services) == "http://localhost:8888"
