"""Where credentials, region, endpoint and certificates come from, and what is refused before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from vault.bucket import credentials
from vault.bucket.client import connect
from vault.bucket.credentials import Access, find_access
from vault.bucket.place import parse_place
from vault.errors import CredentialsRefused, Misconfigured, UnsafeError, VaultError

KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "hunter2hunter2"}
S3 = parse_place("s3://backups/app")
GS = parse_place("gs://backups/app")
AZ = parse_place("az://backups/app")


@pytest.fixture(autouse=True)
def _machine_of_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(credentials, "VENDOR_FILE", tmp_path / "sys_vendor")


def profile_files(home: Path, credentials: str, config: str = "") -> dict[str, str]:
    (home / ".aws").mkdir(parents=True)
    (home / ".aws/credentials").write_text(credentials, encoding="utf-8")
    (home / ".aws/config").write_text(config, encoding="utf-8")
    return {"HOME": str(home)}


def refused(place: str, environment: Mapping[str, str]) -> VaultError:
    with pytest.raises(VaultError) as caught:
        find_access(parse_place(place), environment)
    error = caught.value
    assert "hunter2" not in f"{error.message} {error.why} {error.hint} {error!r}"
    assert error.why
    assert error.hint
    return error


def test_keys_of_the_environment_go_before_a_profile(tmp_path: Path) -> None:
    home = profile_files(tmp_path, "[default]\naws_access_key_id = other\naws_secret_access_key = x\n")
    access = find_access(S3, {**home, **KEYS, "AWS_SESSION_TOKEN": "hunter2-token"})
    assert access.keys is not None
    assert (access.keys.key_id, access.keys.secret, access.keys.token) == ("id", "hunter2hunter2", "hunter2-token")
    assert access.options["region"] == "us-east-1"
    assert access.options["endpoint"] == "https://s3.us-east-1.amazonaws.com"


def test_a_profile_gives_keys_region_and_endpoint(tmp_path: Path) -> None:
    environment = profile_files(
        tmp_path,
        "[default]\naws_access_key_id=no\naws_secret_access_key=no\n[work]\naws_access_key_id = id2\naws_secret_access_key = a%b\n",
        "[profile work]\nregion = eu-west-1\nservices = mine\n[services mine]\ns3 =\n  endpoint_url = https://s3.example.org\n",
    )
    access = find_access(S3, {**environment, "AWS_PROFILE": "work"})
    assert access.keys is not None
    assert (access.keys.key_id, access.keys.secret) == ("id2", "a%b")
    assert (access.options["region"], access.options["endpoint"]) == ("eu-west-1", "https://s3.example.org")


def test_the_environments_region_and_endpoint_go_before_a_profiles(tmp_path: Path) -> None:
    environment = profile_files(
        tmp_path,
        "[default]\naws_access_key_id=a\naws_secret_access_key=b\n",
        "[default]\nregion=x\nendpoint_url=https://p\n",
    )
    said = {"AWS_REGION": "eu-1", "AWS_ENDPOINT_URL": "https://one", "AWS_ENDPOINT_URL_S3": "https://two/"}
    access = find_access(S3, {**environment, **said})
    assert (access.options["region"], access.options["endpoint"]) == ("eu-1", "https://two")


def test_a_profile_of_single_sign_on_is_boto3s(tmp_path: Path) -> None:
    environment = profile_files(tmp_path, "", "[profile work]\nsso_start_url = https://x\n")
    assert find_access(S3, {**environment, "AWS_PROFILE": "work"}).boto3_profile == "work"


@pytest.mark.parametrize(
    ("variables", "option"),
    [
        ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2"}, "container_credentials_relative_uri"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.2/v2"}, "container_credentials_full_uri"),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": "arn"}, "web_identity_token_file"),
    ],
)
def test_a_role_that_is_announced_is_taken(variables: dict[str, str], option: str) -> None:
    assert option in find_access(S3, variables).options


def test_the_metadata_address_is_asked_only_where_it_is_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(refused("s3://backups", {}), CredentialsRefused)
    assert isinstance(refused("gs://backups", {}), CredentialsRefused)
    assert isinstance(refused("az://backups", {"AZURE_STORAGE_ACCOUNT": "a"}), CredentialsRefused)
    assert find_access(S3, {"PGVAULT_INSTANCE_ROLE": "1"}).keys is None
    vendor = tmp_path / "vendor"
    vendor.write_text("Amazon EC2\n", encoding="ascii")
    monkeypatch.setattr(credentials, "VENDOR_FILE", vendor)
    assert find_access(S3, {}).keys is None
    refused("s3://backups", {"AWS_EC2_METADATA_DISABLED": "true"})
    refused("gs://backups", {})


def test_half_a_key_an_unknown_profile_and_a_broken_file_are_told(tmp_path: Path) -> None:
    assert "AWS_SECRET_ACCESS_KEY" in refused("s3://b-1", {"AWS_ACCESS_KEY_ID": "id"}).message
    assert "AWS_ACCESS_KEY_ID" in refused("s3://b-1", {"AWS_SECRET_ACCESS_KEY": "hunter2hunter2"}).message
    environment = profile_files(tmp_path, "[default]\nhunter2hunter2\n")
    assert "line 2" in refused("s3://b-1", environment).message
    assert "no profile work" in refused("s3://b-1", {"HOME": str(tmp_path / "x"), "AWS_PROFILE": "work"}).message


@pytest.mark.parametrize("endpoint", ["http://minio.lan:9000", "http://10.0.0.1", "http://[2001:db8::1]:9000"])
def test_plain_http_is_refused_unless_it_is_allowed(endpoint: str) -> None:
    environment = {**KEYS, "AWS_ENDPOINT_URL": endpoint}
    assert isinstance(refused("s3://b-1", environment), UnsafeError)
    assert find_access(S3, {**environment, "PGVAULT_ALLOW_HTTP": "1"}).allow_http


@pytest.mark.parametrize(
    "secret", [{"AZURE_STORAGE_SAS_TOKEN": "hunter2hunter2"}, {"IDENTITY_ENDPOINT": "http://x"}], ids=["sas", "token"]
)
def test_what_gives_access_by_itself_never_goes_over_plain_http(secret: dict[str, str]) -> None:
    there = {"AZURE_STORAGE_ACCOUNT": "a", "PGVAULT_ALLOW_HTTP": "1"}
    at = {"AZURE_STORAGE_ENDPOINT": "http://blobs.lan:10000/a"}
    assert isinstance(refused("az://backups", {**there, **at, **secret}), UnsafeError)
    assert find_access(AZ, {**there, **at, "AZURE_STORAGE_KEY": "hunter2hunter2=="}).allow_http
    here = {"AZURE_STORAGE_ENDPOINT": "http://127.0.0.1:10000/a"}
    assert find_access(AZ, {**there, **here, **secret}).allow_http


@pytest.mark.parametrize("endpoint", ["http://localhost:9000", "http://127.0.0.2:9000", "http://[::1]:9000"])
def test_plain_http_of_this_machine_needs_no_word(endpoint: str) -> None:
    assert find_access(S3, {**KEYS, "AWS_ENDPOINT_URL": endpoint}).allow_http


@pytest.mark.parametrize(
    "endpoint",
    ["s3.example.org", "ftp://s3.example.org", "https://", "https://h:x", "https://id:hunter2hunter2@s3.example.org"],
)
def test_an_endpoint_that_is_none_is_told_without_it(endpoint: str) -> None:
    assert isinstance(refused("s3://b-1", {**KEYS, "AWS_ENDPOINT_URL": endpoint}), Misconfigured)


def test_certificates_are_read_and_looked_at(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", encoding="ascii")
    for variable in ("AWS_CA_BUNDLE", "PGVAULT_CA_BUNDLE"):
        assert find_access(S3, {**KEYS, variable: str(bundle)}).certificates == bundle.read_bytes()
        assert variable in refused("s3://b-1", {**KEYS, variable: str(tmp_path / "none")}).why
        assert variable in refused("s3://b-1", {**KEYS, variable: "~nobody-has-this-name/ca.pem"}).why
    (tmp_path / "empty").write_text("", encoding="ascii")
    assert "no certificate" in refused("s3://b-1", {**KEYS, "AWS_CA_BUNDLE": str(tmp_path / "empty")}).message


def test_google_s_places(tmp_path: Path) -> None:
    assert find_access(GS, {"STORAGE_EMULATOR_HOST": "127.0.0.1:1"}).options["base_url"] == "http://127.0.0.1:1"
    file = tmp_path / ".config/gcloud/application_default_credentials.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}", encoding="ascii")
    assert find_access(GS, {"HOME": str(tmp_path)}).options["application_credentials"] == str(file)
    assert find_access(GS, {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}).options["application_credentials"] == str(
        file
    )
    assert "GOOGLE_APPLICATION_CREDENTIALS" in refused("gs://b-1", {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere"}).why


def test_azure_s_places() -> None:
    text = "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=hunter2hunter2==;EndpointSuffix=core.windows.net"
    access = find_access(AZ, {"AZURE_STORAGE_CONNECTION_STRING": text})
    assert access.options["account_name"] == "acc"
    assert access.options["account_key"] == "hunter2hunter2=="
    assert access.options["endpoint"] == "https://acc.blob.core.windows.net"
    assert find_access(AZ, {"AZURE_STORAGE_ACCOUNT": "a", "AZURE_STORAGE_SAS_TOKEN": "s"}).options["sas_key"] == "s"
    assert find_access(AZ, {"AZURE_STORAGE_ACCOUNT": "a", "IDENTITY_ENDPOINT": "http://x"}).options == {
        "account_name": "a"
    }
    assert isinstance(refused("az://b-1", {"AZURE_STORAGE_CONNECTION_STRING": "hunter2hunter2"}), Misconfigured)


def test_no_secret_is_shown_by_a_value() -> None:
    access = find_access(S3, {**KEYS, "AWS_SESSION_TOKEN": "hunter2-token"})
    azure = find_access(AZ, {"AZURE_STORAGE_ACCOUNT": "a", "AZURE_STORAGE_KEY": "hunter2"})
    assert "hunter2" not in f"{access!r} {azure!r} {connect(S3, KEYS)!r}"
    assert access.secrets() == {"hunter2hunter2", "hunter2-token"}
    assert azure.secrets() == {"hunter2"}
    assert Access().secrets() == frozenset()
