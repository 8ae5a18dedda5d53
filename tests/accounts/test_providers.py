"""What the server refuses to start with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api.accounts.providers import ProviderError, load, may_fetch
from api.settings import Settings

ONE = {
    "name": "thaid",
    "issuer": "https://op.example",
    "client_id": "superapp",
    "client_secret": "secret-of-the-client",
    "label_th": "ThaID",
}


def production(tmp_path: Path, *given: dict[str, Any], **changes: Any) -> Settings:
    path = tmp_path / "providers.json"
    path.write_text(json.dumps(list(given)))
    path.chmod(0o600)
    fields = {"env": "production", "public_url": "https://api.example", "providers": str(path)}
    return Settings(**(fields | changes))


def test_production_takes_the_configured_providers_and_no_sample_accounts(tmp_path: Path) -> None:
    assert list(load(production(tmp_path, ONE))) == ["thaid"]


def test_production_refuses_the_development_sign_in(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="production"):
        load(production(tmp_path, ONE, dev_sign_in="on"))


@pytest.mark.parametrize("env", ["prod", "Production", "staging", ""])
def test_an_unknown_environment_is_not_taken_for_development(env: str) -> None:
    with pytest.raises(ProviderError):
        load(Settings(env=env))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "api.example"])
def test_the_sample_accounts_are_not_served_to_the_network(host: str) -> None:
    with pytest.raises(ProviderError, match="reachable from outside"):
        load(Settings(host=host))
    assert load(Settings(host=host, dev_sign_in="off")) == {}


def test_development_needs_no_configuration() -> None:
    assert list(load(Settings())) == ["development"]


def test_production_without_a_provider_does_not_start() -> None:
    with pytest.raises(ProviderError, match="SUPERAPP_PROVIDERS"):
        load(Settings(env="production", public_url="https://api.example"))


def test_production_needs_https(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="https"):
        load(production(tmp_path, ONE, public_url="http://api.example"))
    with pytest.raises(ProviderError, match="https"):
        load(production(tmp_path, ONE | {"issuer": "http://127.0.0.1:9/op"}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Ugly Name"},
        {"issuer": "http://op.example"},
        {"client_secret": ""},
        {"scopes": ["pid"]},
        {"kind": "robot"},
        {"a_typo": True},
    ],
)
def test_a_wrong_provider_stops_the_start_with_a_sentence(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ProviderError) as caught:
        load(production(tmp_path, ONE | wrong))
    assert "secret-of-the-client" not in str(caught.value)


def test_two_providers_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="same name"):
        load(production(tmp_path, ONE, ONE))


def test_a_providers_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    settings = production(tmp_path, ONE)
    Path(settings.providers).chmod(0o644)
    with pytest.raises(ProviderError, match="chmod 600"):
        load(settings)


def test_a_provider_never_shows_its_secret(tmp_path: Path) -> None:
    assert "secret-of-the-client" not in repr(load(production(tmp_path, ONE)))


@pytest.mark.parametrize(
    ("url", "development", "in_production"),
    [
        ("https://op.example/x", True, True),
        ("http://127.0.0.1:1/x", True, False),
        ("http://[::1]:1/x", True, False),
        ("http://localhost/x", True, False),
        ("http://127.0.0.1.op.example/x", False, False),
        ("http://op.example/x", False, False),
        ("ftp://127.0.0.1/x", False, False),
        ("https:///x", False, False),
        ("", False, False),
    ],
)
def test_what_may_be_fetched(url: str, development: bool, in_production: bool) -> None:
    assert may_fetch(url, production=False) is development
    assert may_fetch(url, production=True) is in_production
