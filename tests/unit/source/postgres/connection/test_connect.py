"""Which server counts as local, and what is asked of the others before a byte is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from vault.errors import Unreachable, UnsafeError
from vault.source.postgres.connection.connect import Target, connect, resolve

SERVICES = """
[socket]
host=/tmp
dbname=shop

[loopback]
host=db.example.org
hostaddr=127.0.0.1

[elsewhere]
host=db.example.org
password=hunter2-in-a-file

[strict]
host=db.example.org
sslmode=verify-full

[open]
host=db.example.org
sslmode=disable
"""


def found(conninfo: str) -> Target:
    return resolve(conninfo, {}, allow_cleartext=False)


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "services.conf"
    path.write_text(SERVICES)
    monkeypatch.setenv("PGSERVICEFILE", str(path))
    return path


@pytest.mark.parametrize(
    "conninfo",
    ["", "host=/tmp", "host=localhost", "host=127.0.0.5", "host=::1", "host=db.example.org hostaddr=127.0.0.1"],
)
def test_sockets_and_loopback_addresses_are_local(conninfo: str) -> None:
    assert found(conninfo).local


@pytest.mark.parametrize(
    "conninfo",
    [
        "host=127.example.com",
        "host=127.0.0.1.example.com",
        "host=localhost.example.com",
        "host=localhost,db.example.org",
        "host=localhost hostaddr=10.1.2.3",
        "host=db.example.org,localhost hostaddr=,127.0.0.1",
    ],
)
def test_names_and_addresses_elsewhere_demand_encryption(conninfo: str) -> None:
    target = found(conninfo)
    assert not target.local
    assert target.parameters["sslmode"] == "require"


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize("name", ["socket", "loopback"])
def test_service_that_names_this_machine_is_local(name: str) -> None:
    target = found(f"service={name}")
    assert target.local
    assert "sslmode" not in target.parameters


@pytest.mark.usefixtures("services")
def test_service_that_names_another_machine_demands_encryption() -> None:
    assert found("service=elsewhere").parameters["sslmode"] == "require"
    assert found("service=strict").parameters["sslmode"] == "verify-full"
    assert found("service=socket host=db.example.org").parameters["sslmode"] == "require"
    assert resolve("", {"PGSERVICE": "elsewhere"}, allow_cleartext=False).parameters["sslmode"] == "require"
    with pytest.raises(UnsafeError, match="clear text"):
        found("service=open")


@pytest.mark.usefixtures("services")
def test_service_that_is_not_defined_is_no_local_one_and_is_named() -> None:
    target = found("service=nowhere")
    assert target.parameters["sslmode"] == "require"
    with pytest.raises(Unreachable) as caught:
        connect(target)
    assert "nowhere" in caught.value.why
    assert "PGSERVICEFILE" in caught.value.hint
