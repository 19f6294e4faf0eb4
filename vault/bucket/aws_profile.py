"""One profile of Amazon's own configuration files, read without a library: static keys, region, endpoint, certificates.

Never asks the network. What a profile wants beyond that (single sign-on, a role, a program) is boto3's, and only said here.
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vault.errors import Misconfigured

_ROUNDABOUT: Final = ("sso_session", "sso_start_url", "role_arn", "credential_process", "web_identity_token_file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """`files`: those that are there. What a profile does not say is empty."""

    name: str
    files: tuple[Path, ...] = ()
    key_id: str = ""
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    region: str = ""
    endpoint: str = ""
    ca_bundle: str = ""
    wants_boto3: bool = False


def read_profile(environment: Mapping[str, str]) -> Profile:
    """That of AWS_PROFILE, else `default`. Raises  Misconfigured: AWS_PROFILE names none, or a file makes no sense"""
    wanted = environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE") or ""
    name = wanted or "default"
    credentials_file = _file(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials")
    config_file = _file(environment, "AWS_CONFIG_FILE", "config")
    credentials, config = _read(credentials_file), _read(config_file)
    section = "default" if name == "default" else f"profile {name}"
    found = [parser[title] for parser, title in ((credentials, name), (config, section)) if parser.has_section(title)]
    files = tuple(file for file in (credentials_file, config_file) if file is not None and file.is_file())
    if wanted and not found:
        looked = " and ".join(map(str, files)) or "there are no files of Amazon's tools"
        raise Misconfigured(
            f"no profile {wanted}", why=f"AWS_PROFILE names it; {looked}", hint="correct AWS_PROFILE, or: aws configure"
        )

    def said(key: str) -> str:
        return next((values[key].strip() for values in found if values.get(key)), "")

    services = said("services")
    return Profile(
        name=name,
        files=files,
        key_id=said("aws_access_key_id"),
        secret=said("aws_secret_access_key"),
        token=said("aws_session_token"),
        region=said("region"),
        endpoint=_s3_endpoint(config, f"services {services}") or said("endpoint_url"),
        ca_bundle=said("ca_bundle"),
        wants_boto3=any(said(key) for key in _ROUNDABOUT),
    )


def _file(environment: Mapping[str, str], variable: str, name: str) -> Path | None:
    home = environment.get("HOME")
    if chosen := environment.get(variable):
        return Path(home, chosen[2:]) if home and chosen.startswith("~/") else Path(chosen)
    return Path(home) / ".aws" / name if home else None


def _read(file: Path | None) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False, default_section="")
    try:
        if file is not None:
            parser.read(file, encoding="utf-8")
    except configparser.Error as error:
        line = error.errors[0][0] if isinstance(error, configparser.ParsingError) and error.errors else None
        raise Misconfigured(
            f"{file} makes no sense" + (f" in line {line}" if line else ""),
            why="it is not what Amazon's tools write",
            hint="correct it, or: aws configure",
        ) from None  # the text of the cause repeats the line, which may hold a key
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(
            f"{file} cannot be read", why=getattr(error, "strerror", None) or "it is not UTF-8"
        ) from error
    return parser


def _s3_endpoint(config: configparser.RawConfigParser, section: str) -> str:
    """Of `s3 =` with indented lines `key = value` below it, which is one value to the parser."""
    if not config.has_section(section) or not config[section].get("s3"):
        return ""
    for line in config[section]["s3"].splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "endpoint_url":
            return value.strip()
    return ""
