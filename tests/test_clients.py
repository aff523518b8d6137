"""Where services answer, and what is said when they do not."""

from __future__ import annotations

import pytest

from realm.clients import get_json, get_service_url, is_up
from realm.config.schema import ServiceSettings
from realm.errors import ServiceError, UsageError

NOBODY = ServiceSettings(tavern_port=1)


def test_addresses() -> None:
    assert get_service_url("tavern", ServiceSettings()) == "http://127.0.0.1:8888"
    assert get_service_url("watchtower", ServiceSettings(bind="0.0.0.0")) == "http://127.0.0.1:8081"
    away = ServiceSettings(hosts={"tavern": "https://box:1/", "vault": "http://box:8767"})
    assert get_service_url("tavern", away) == "https://box:1"
    assert get_service_url("vault", away) == "http://box:8767"


def test_an_unknown_service_names_the_nearest() -> None:
    with pytest.raises(UsageError) as error:
        get_service_url("tavrn", ServiceSettings())
    assert error.value.hint == "Did you mean 'tavern'?"


def test_a_service_that_is_not_there() -> None:
    assert not is_up("tavern", NOBODY, timeout=0.5)
    with pytest.raises(ServiceError, match=r"The tavern at http://127\.0\.0\.1:1 does not answer"):
        get_json("tavern", NOBODY, "/api/state", timeout=0.5)
