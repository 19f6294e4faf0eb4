"""Who asks a bucket, and where it is: from the places that the ecosystem has for that, never from a name.

Reads the environment that it is given and the files that this names; never this process's own, never the network.
Invariant: no secret is in the repr of a value or in an error. Which place wins is in `vault/docs/buckets.md`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from vault.bucket.aws_profile import Profile, read_profile
from vault.bucket.azure import azure_options, who_asks
from vault.bucket.place import BucketPlace
from vault.errors import CredentialsRefused, Misconfigured, UnsafeError

ALLOW_HTTP: Final = "PGVAULT_ALLOW_HTTP"
INSTANCE_ROLE: Final = "PGVAULT_INSTANCE_ROLE"
CA_BUNDLE: Final = "PGVAULT_CA_BUNDLE"
VENDOR_FILE: Final = Path("/sys/class/dmi/id/sys_vendor")
"""What a virtual machine says of whose it is."""
_YES: Final = frozenset({"1", "true", "yes"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticKeys:
    """Those of S3 that do not change while the program runs."""

    key_id: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a bucket is reached.

    options        of the client library, by its own names
    keys           S3 alone; else `options` say where credentials come from, or
    boto3_profile  boto3 obtains them for this profile (single sign-on, roles)
    place          the endpoint and who named it; who: who named the credentials. For messages, so neither holds a secret
    """

    options: Mapping[str, str | bool] = field(default_factory=dict, repr=False)
    keys: StaticKeys | None = None
    boto3_profile: str = ""
    allow_http: bool = False
    certificates: bytes = field(default=b"", repr=False)
    place: str = ""
    who: str = ""

    def secrets(self) -> frozenset[str]:
        """What must never be shown."""
        own = () if self.keys is None else (self.keys.secret, self.keys.token)
        named = (str(value) for name, value in self.options.items() if name in _SECRET_OPTIONS)
        return frozenset(secret for secret in (*own, *named) if secret)


_SECRET_OPTIONS: Final = frozenset(
    {"account_key", "sas_key", "client_secret", "token", "bearer_token", "service_account_key"}
)


def find_access(place: BucketPlace, environment: Mapping[str, str]) -> Access:
    """Raises  CredentialsRefused: none are found; Misconfigured: a file or a variable makes no sense; UnsafeError: plain http"""
    if place.scheme == "s3":
        return _s3(place, environment)
    if place.scheme == "gs":
        return _google(place, environment)
    return _azure(place, environment)


# --- S3 ------------------------------------------------------------------------------------------


def _s3(place: BucketPlace, environment: Mapping[str, str]) -> Access:
    profile = read_profile(environment)
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or profile.region or "us-east-1"
    named = next((name for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") if environment.get(name)), "")
    of_profile = f"profile {profile.name}"
    endpoint = environment.get(named) or profile.endpoint or _amazon(region)
    origin = named or (of_profile if profile.endpoint else "no AWS_ENDPOINT_URL is set, so Amazon's")
    options: dict[str, str | bool] = {
        "region": region,
        "endpoint": endpoint.rstrip("/"),
        "virtual_hosted_style_request": False,
        "checksum_algorithm": "SHA256",  # object lock wants one, and every other S3 takes it
    }
    keys, boto3_profile, who = None, "", "the machine's role"
    if environment.get("AWS_ACCESS_KEY_ID") or environment.get("AWS_SECRET_ACCESS_KEY"):
        keys, who = _keys_of_environment(environment), "AWS_ACCESS_KEY_ID"
    elif environment.get("AWS_SKIP_SIGNATURE", "").lower() in _YES:
        options["skip_signature"], who = True, "AWS_SKIP_SIGNATURE, which sends none"
    elif environment.get("AWS_WEB_IDENTITY_TOKEN_FILE") and environment.get("AWS_ROLE_ARN"):
        options["web_identity_token_file"] = environment["AWS_WEB_IDENTITY_TOKEN_FILE"]
        options["role_arn"], who = environment["AWS_ROLE_ARN"], "AWS_WEB_IDENTITY_TOKEN_FILE"
    elif profile.key_id and profile.secret:
        keys, who = StaticKeys(key_id=profile.key_id, secret=profile.secret, token=profile.token), of_profile
    elif profile.wants_boto3:
        boto3_profile, who = profile.name, of_profile
    elif relative := environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        options["container_credentials_relative_uri"], who = relative, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
    elif full := environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        options["container_credentials_full_uri"], who = full, "AWS_CONTAINER_CREDENTIALS_FULL_URI"
        if token_file := environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
            options["container_authorization_token_file"] = token_file
    elif not _may_ask_instance(environment, vendor="Amazon EC2"):
        raise _none_found(
            place,
            _what_s3_looked_at(profile, environment),
            "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
        )
    return Access(
        options=options,
        keys=keys,
        boto3_profile=boto3_profile,
        allow_http=_allow_http(endpoint, environment),
        certificates=_certificates(environment, environment.get("AWS_CA_BUNDLE") or profile.ca_bundle),
        place=f"{endpoint.rstrip('/')} ({origin})",
        who=who,
    )


def _amazon(region: str) -> str:
    return f"https://s3.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")


def _keys_of_environment(environment: Mapping[str, str]) -> StaticKeys:
    for name, other in (("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")):
        if not environment.get(name):
            raise Misconfigured(
                f"{name} is not set", why=f"{other} is, and neither is of use alone", hint=f"export {name}"
            )
    return StaticKeys(
        key_id=environment["AWS_ACCESS_KEY_ID"].strip(),
        secret=environment["AWS_SECRET_ACCESS_KEY"].strip(),
        token=environment.get("AWS_SESSION_TOKEN", "").strip(),
    )


def _what_s3_looked_at(profile: Profile, environment: Mapping[str, str]) -> str:
    files = " and ".join(str(file) for file in profile.files)
    looked = f"; profile {profile.name} of {files} has no key" if profile.files else ""
    return f"AWS_ACCESS_KEY_ID is not set{looked}; no role is announced"


# --- Google Cloud Storage ------------------------------------------------------------------------


def _google(place: BucketPlace, environment: Mapping[str, str]) -> Access:
    options: dict[str, str | bool] = {}
    endpoint, who = "", "the machine's account"
    if emulator := environment.get("STORAGE_EMULATOR_HOST"):
        endpoint = emulator.rstrip("/") if "://" in emulator else f"http://{emulator.rstrip('/')}"
        options["base_url"] = endpoint
        options["bearer_token"] = "emulator"  # it asks for none, but the library sends no write without one
    elif file := environment.get("GOOGLE_APPLICATION_CREDENTIALS"):
        _require_file(file, "GOOGLE_APPLICATION_CREDENTIALS")
        options["application_credentials"], who = file, "GOOGLE_APPLICATION_CREDENTIALS"
    elif key := environment.get("GOOGLE_SERVICE_ACCOUNT_KEY"):
        options["service_account_key"], who = key, "GOOGLE_SERVICE_ACCOUNT_KEY"
    elif own := _signed_in_with_gcloud(environment):
        options["application_credentials"], who = str(own), "gcloud auth application-default login"
    elif not environment.get("GCE_METADATA_HOST") and not _may_ask_instance(environment, vendor="Google"):
        raise _none_found(
            place,
            "GOOGLE_APPLICATION_CREDENTIALS is not set, and nobody has signed in with gcloud",
            "export GOOGLE_APPLICATION_CREDENTIALS=FILE, or: gcloud auth application-default login",
        )
    return Access(
        options=options,
        allow_http=bool(endpoint) and _allow_http(endpoint, environment),
        certificates=_certificates(environment, ""),
        place=f"{endpoint} (STORAGE_EMULATOR_HOST)" if endpoint else "Google's own",
        who=who,
    )


def _signed_in_with_gcloud(environment: Mapping[str, str]) -> Path | None:
    base = environment.get("CLOUDSDK_CONFIG") or (f"{home}/.config/gcloud" if (home := environment.get("HOME")) else "")
    file = Path(base) / "application_default_credentials.json"
    return file if base and file.is_file() else None


# --- Azure ---------------------------------------------------------------------------------------


def _azure(place: BucketPlace, environment: Mapping[str, str]) -> Access:
    options = azure_options(environment)
    if "account_name" not in options and not options.get("use_emulator"):
        raise _none_found(
            place,
            "AZURE_STORAGE_ACCOUNT is not set",
            "export AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY, or AZURE_STORAGE_CONNECTION_STRING",
        )
    announced = environment.get("IDENTITY_ENDPOINT") or environment.get("MSI_ENDPOINT")
    secret = any(
        name in options
        for name in (
            "account_key",
            "sas_key",
            "client_secret",
            "federated_token_file",
            "use_azure_cli",
            "use_emulator",
            "skip_signature",
        )
    )
    if not secret and not announced and not _may_ask_instance(environment, vendor="Microsoft Corporation"):
        raise _none_found(
            place,
            f"nothing is known of account {options['account_name']} but its name",
            "export AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN",
        )
    endpoint = str(options.get("endpoint", ""))
    allow_http = bool(endpoint) and _allow_http(endpoint, environment)
    signs = any(name in options for name in ("account_key", "skip_signature", "use_emulator"))
    if allow_http and not signs and (parts := _parts(endpoint)) is not None and not _is_loopback(parts[1]):
        raise UnsafeError(
            f"the endpoint http://{parts[1]} is not encrypted",
            why="each request carries what gives access, a SAS or a token: who listens could use it",
            hint="use https://, or AZURE_STORAGE_KEY, which signs requests and is never sent",
        )
    account = f"account {options.get('account_name', 'of the emulator')}"
    return Access(
        options=options,
        allow_http=allow_http,
        certificates=_certificates(environment, ""),
        place=f"{endpoint or 'Azure'}, {account}",
        who=who_asks(environment),
    )


# --- what is the same for all --------------------------------------------------------------------


def _none_found(place: BucketPlace, why: str, hint: str) -> CredentialsRefused:
    return CredentialsRefused(
        f"no credentials for {place.url}", why=why, hint=f"{hint}; all places: pgvault help buckets"
    )


def _may_ask_instance(environment: Mapping[str, str], *, vendor: str) -> bool:
    """Only on a machine of the provider, or where somebody says so: elsewhere its address hangs."""
    if environment.get(INSTANCE_ROLE, "").lower() in _YES:
        return True
    if environment.get("AWS_EC2_METADATA_DISABLED", "").lower() in _YES:
        return False
    try:
        return VENDOR_FILE.read_text(encoding="ascii", errors="replace").strip() == vendor
    except OSError:
        return False


def _allow_http(endpoint: str, environment: Mapping[str, str]) -> bool:
    """Whether the endpoint is plain http. Raises  Misconfigured: no URL, or a password in it; UnsafeError: http, and nobody allowed it"""
    parts = _parts(endpoint)
    if parts is None or parts[0] not in ("http", "https") or not parts[1]:
        raise Misconfigured(
            "the endpoint is no URL", why="it has no http:// or https:// and host", hint="https://HOST[:PORT]"
        )
    scheme, host, has_user = parts
    if has_user:
        raise Misconfigured(
            "the endpoint holds a name before an @", why="it is shown in messages", hint="https://HOST[:PORT]"
        )
    if scheme == "https":
        return False
    if not _is_loopback(host) and environment.get(ALLOW_HTTP, "").lower() not in _YES:
        raise UnsafeError(
            f"the endpoint http://{host} is not encrypted",
            why="who listens would see the names of the files and when they are written, and could change answers",
            hint=f"use https://; or, in a network of your own: export {ALLOW_HTTP}=1",
        )
    return True


def _parts(endpoint: str) -> tuple[str, str, bool] | None:
    try:
        parts = urlsplit(endpoint)
        _ = parts.port
    except ValueError:
        return None
    return parts.scheme, parts.hostname or "", "@" in parts.netloc


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _certificates(environment: Mapping[str, str], bundle: str | None) -> bytes:
    """Authorities that are trusted beside the system's."""
    own = environment.get(CA_BUNDLE)
    file, name = (own, CA_BUNDLE) if own else (bundle, "AWS_CA_BUNDLE")
    if not file:
        return b""
    _require_file(file, name)
    content = _path(file).read_bytes()
    if b"-----BEGIN CERTIFICATE-----" not in content:
        raise Misconfigured(f"{file}: no certificate in it", why=f"{name} names it", hint="a file of PEM certificates")
    return content


def _path(file: str) -> Path:
    """A home directory of nobody stays in it as it is written, and is no file then: `Path.expanduser` would raise a RuntimeError."""
    return Path(os.path.expanduser(file))


def _require_file(file: str, name: str) -> None:
    """Raises  Misconfigured"""
    try:
        with _path(file).open("rb"):
            pass
    except OSError as error:
        raise Misconfigured(
            f"{file} cannot be read", why=f"{name} names it: {error.strerror}", hint=f"correct {name}"
        ) from error
