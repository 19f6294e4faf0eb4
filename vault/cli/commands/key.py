"""`pgvault key list|add|passwd|remove|recovery-kit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vault.app import secret, wiring
from vault.app.secret import SecretOrigin
from vault.cli import about, asking, jsonout
from vault.cli.exit_codes import ExitCode
from vault.cli.kit import KitFile, require_terminal
from vault.cli.options import Group, Invocation, command
from vault.errors import UsageError
from vault.model import Kdf

if TYPE_CHECKING:
    from vault.repo.state import Open

REVOKES_NOTHING = "note: a copy of the repository made before still opens with the old passphrase; to shut somebody out, make a new one"
TITLES = ("id", "label", "created (UTC)", "key derivation")


@command("list", help="List the key slots; needs no passphrase.", examples=["pgvault key list"])
def list_keys(invocation: Invocation) -> int:
    from vault.ops.repository import keys

    store = wiring.open_store(invocation.settings())
    wiring.require_repository(store, invocation.settings())
    listed = keys.list_slots(store)
    out = invocation.renderer()
    if invocation.json:
        damage = [{"file": error.file, "why": error.message} for error in listed.damage]
        left_behind = [slot.id.hex() for slot in listed.left_behind]
        out.json_line(jsonout.keys(listed.slots) | {"damage": damage, "left_behind": left_behind})
    else:
        rows = [
            (slot.id.hex()[:12], slot.label, about.instant(slot.created_ms)[:19].replace("T", " "), _kdf(slot.kdf))
            for slot in listed.slots
        ]
        out.table(TITLES, rows, wrapped="label")
    for slot in listed.left_behind:
        out.talk(
            f"an init that did not finish left {slot.id.hex()[:12]}; it opens nothing here; remove it with: pgvault key remove {slot.id.hex()[:12]}"
        )
    for error in listed.damage:
        out.talk(f"damaged: {error.file}: {error.message}")
    return ExitCode.DAMAGE if listed.damage else ExitCode.OK


def _kdf(kdf: Kdf) -> str:
    return f"argon2id, {kdf.memory_kib // 1024} MiB, {kdf.passes} passes"


@command("add", help="Add a passphrase (PGVAULT_NEW_PASSWORD, ..., or typed).", examples=["pgvault key add --label ci"])
@click.option("--label", default="", help="What it is called in `key list`.")
def add(invocation: Invocation, label: str) -> None:
    from vault.ops.repository import keys

    settings = invocation.settings()
    opened = wiring.open_repository(settings)
    new = secret.additional_passphrase(settings)
    slot = keys.add_slot(opened, passphrase=new, label=label, clock=wiring.SystemClock(), entropy=wiring.system_entropy)
    _done(invocation, opened, "added", slot.hex())
    _remark(invocation, new)
    if secret.recovery_kit(settings) is not None and (advice := _where_to_write(secret.of_passphrase(settings))):
        invocation.renderer().talk(advice)


@command("passwd", help="Replace the passphrase that you use by a new one.", examples=["pgvault key passwd"])
def passwd(invocation: Invocation) -> None:
    from vault.ops.repository import keys

    settings = invocation.settings()
    if secret.recovery_kit(settings) is not None:
        raise UsageError("a recovery kit has no passphrase to change", hint="set a new one with: pgvault key add")
    old = secret.passphrase(settings)
    opened = wiring.open_repository_with(settings, old)
    new = secret.additional_passphrase(settings)
    clock = wiring.SystemClock()
    slot = keys.change_passphrase(opened, old=old, new=new, clock=clock, entropy=wiring.system_entropy)
    _done(invocation, opened, "changed", slot.hex())
    _remark(invocation, new)
    if advice := _where_to_write(secret.origin(settings)):
        invocation.renderer().talk(advice)
    invocation.renderer().talk(REVOKES_NOTHING)


def _remark(invocation: Invocation, passphrase: str) -> None:
    if text := secret.remark(passphrase):
        invocation.renderer().talk(f"note: {text}")


def _where_to_write(origin: SecretOrigin) -> str:
    """The old passphrase is still where the next command looks; a command of the user's is never written into."""
    match origin.kind:
        case secret.Kind.FILE:
            return f"next: write the new passphrase into {origin.value} ({origin.name}), which the next command reads"
        case secret.Kind.COMMAND:
            return f"next: let the command of {origin.name} print the new passphrase"
        case secret.Kind.VALUE:
            return f"next: set {origin.name} to the new passphrase"
        case _:
            return ""


@command("remove", help="Remove a key slot by its id; never the last one.", examples=["pgvault key remove 3fa9c1"])
@click.argument("id")
@asking.YES
def remove(invocation: Invocation, id: str, yes: bool) -> None:
    from vault.ops.repository import keys

    settings, out = invocation.settings(), invocation.renderer()
    used = None if secret.recovery_kit(settings) is not None else secret.passphrase(settings)
    opened = wiring.open_repository(settings) if used is None else wiring.open_repository_with(settings, used)
    chosen = keys.slot_named(opened, id.lower())
    if used is not None and keys.is_opened_by(opened, chosen, used):
        out.insist("warning: it is the only one that your passphrase opens: from then on you need another passphrase")
    label = next((slot.label for slot in keys.list_slots(opened.store).slots if slot.id == chosen), "")
    named = f"key slot {chosen.hex()[:12]}" + (f" ({label})" if label else "")
    asking.agreed(out, f"Remove {named}?", yes=yes, nothing="no key slot was removed")
    slot = keys.remove_slot(opened, chosen.hex())
    _done(invocation, opened, "removed", slot.hex())
    invocation.renderer().talk(REVOKES_NOTHING)


@command(
    "recovery-kit",
    help="Make a new recovery kit: on the terminal, or in a new file (0600).",
    examples=["pgvault key recovery-kit", "pgvault key recovery-kit kit.txt"],
)
@click.argument("file", required=False)
def recovery_kit(invocation: Invocation, file: str | None) -> None:
    from vault.ops.repository import keys

    if file is None:
        require_terminal(json=invocation.json, hint="pgvault key recovery-kit FILE")
    settings = invocation.settings()
    opened = wiring.open_repository(settings)
    text = keys.make_kit(opened, clock=wiring.SystemClock(), entropy=wiring.system_entropy)
    if file is None:
        invocation.renderer().block(text)
        return
    KitFile(Path(file), wiring.repository_at(settings)).write(text)
    _done(invocation, opened, "recovery kit written to", file)


def _done(invocation: Invocation, opened: Open, verb: str, what: str) -> None:
    """Say what was done; as JSON with the key slots that there are now."""
    from vault.ops.repository import keys

    out = invocation.renderer()
    if invocation.json:
        out.json_line(jsonout.keys(keys.list_slots(opened.store).slots) | {"done": verb.split()[0], "id": what})
    else:
        out.line(f"{verb} {what}")


COMMAND = Group(
    "key",
    help="List, add, change and remove passphrases; write a recovery kit.",
    commands=[list_keys, add, passwd, remove, recovery_kit],
)
