"""What Azure's own variables say, by the client library's names. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vault.errors import Misconfigured

_VARIABLES: Final = {
    "account_name": ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"),
    "account_key": ("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY"),
    "sas_key": ("AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"),
    "endpoint": ("AZURE_STORAGE_ENDPOINT", "AZURE_STORAGE_SERVICE_ENDPOINT"),
    "tenant_id": ("AZURE_TENANT_ID", "AZURE_STORAGE_TENANT_ID"),
    "client_id": ("AZURE_CLIENT_ID", "AZURE_STORAGE_CLIENT_ID"),
    "client_secret": ("AZURE_CLIENT_SECRET", "AZURE_STORAGE_CLIENT_SECRET"),
    "federated_token_file": ("AZURE_FEDERATED_TOKEN_FILE",),
    "authority_host": ("AZURE_AUTHORITY_HOST",),
}
_SWITCHES: Final = {
    "use_azure_cli": "AZURE_USE_AZURE_CLI",
    "use_emulator": "AZURE_STORAGE_USE_EMULATOR",
    "skip_signature": "AZURE_SKIP_SIGNATURE",
}
_DEVELOPMENT: Final = "UseDevelopmentStorage"


def azure_options(environment: Mapping[str, str]) -> dict[str, str | bool]:
    """A connection string goes first, then the variables of the tools, of which one is enough. Raises  Misconfigured: no connection string"""
    options: dict[str, str | bool] = {}
    for option, names in _VARIABLES.items():
        if value := next((environment[name].strip() for name in names if environment.get(name)), ""):
            options[option] = value
    for option, name in _SWITCHES.items():
        if environment.get(name, "").lower() in ("1", "true", "yes"):
            options[option] = True
    if text := environment.get("AZURE_STORAGE_CONNECTION_STRING"):
        options.update(_of_connection_string(text))
    return options


def who_asks(environment: Mapping[str, str]) -> str:
    """The variable that names the credentials."""
    if environment.get("AZURE_STORAGE_CONNECTION_STRING"):
        return "AZURE_STORAGE_CONNECTION_STRING"
    names = [*(_VARIABLES[option] for option in ("account_key", "sas_key", "client_secret", "federated_token_file"))]
    found = [name for group in (*names, tuple(_SWITCHES.values())) for name in group if environment.get(name)]
    return found[0] if found else "the machine's identity"


def _of_connection_string(text: str) -> dict[str, str | bool]:
    fields = {}
    for part in text.strip().strip(";").split(";"):
        name, separator, value = part.partition("=")
        if not separator:
            raise Misconfigured(
                "AZURE_STORAGE_CONNECTION_STRING makes no sense",
                why="a part of it is no NAME=VALUE",
                hint="copy it from the portal again",
            )
        fields[name.strip()] = value.strip()
    if fields.get(_DEVELOPMENT, "").lower() == "true":
        return {"use_emulator": True}
    options: dict[str, str | bool] = {}
    for option, name in (
        ("account_name", "AccountName"),
        ("account_key", "AccountKey"),
        ("sas_key", "SharedAccessSignature"),
    ):
        if fields.get(name):
            options[option] = fields[name]
    if fields.get("BlobEndpoint"):
        options["endpoint"] = fields["BlobEndpoint"].rstrip("/")
    elif fields.get("EndpointSuffix") and fields.get("AccountName"):
        protocol = fields.get("DefaultEndpointsProtocol", "https")
        options["endpoint"] = f"{protocol}://{fields['AccountName']}.blob.{fields['EndpointSuffix']}"
    return options
