"""Schema entries, their identities, and pg_dump's order. Spec 60-snapshot.

Never reads SQL. Invariant: no oid and no dump id, so an unchanged object keeps its id over a dump and restore.
"""

from __future__ import annotations

from vault.errors import Malformed
from vault.format import codec
from vault.format.codec import Record, Row, Value
from vault.ids import ObjectId
from vault.limits import META_BYTES_MAX
from vault.model import EntryItem, Identity, OrderItem, SchemaEntry, Section


def encode_identity(identity: Identity) -> Value:
    """Not proven here: it is written within a value that is proven as a whole."""
    return (identity.desc, identity.kind, identity.names, identity.args, identity.sub)


def decode_identity(value: Value) -> Identity:
    """Raises  Malformed"""
    row = Row(value, length=5, what="identity")
    return Identity(desc=row.text(), kind=row.text(), names=row.texts(), args=row.texts(), sub=row.text())


def identity_key(identity: Identity) -> bytes:
    """Sort key of an entry: the encoding of its identity."""
    return codec.encode(encode_identity(identity))


def encode_entry_item(item: EntryItem) -> Value:
    """Raises as `decode_entry_item`"""
    return codec.proven((encode_identity(item.identity), int(item.section), item.entry), decode_entry_item)


def decode_entry_item(value: Value) -> EntryItem:
    """Raises  Malformed"""
    row = Row(value, length=3, what="entry")
    return EntryItem(
        identity=decode_identity(row.value()), section=_section(row.integer()), entry=ObjectId(row.blob(32))
    )


def encode_entry(entry: SchemaEntry) -> bytes:
    """Raises as `decode_entry`"""
    return codec.encode_proven(
        {
            "definition": entry.definition,
            "drop": entry.drop,
            "function_definition": entry.function_definition,
            "identity": encode_identity(entry.identity),
            "namespace": entry.namespace,
            "owner": entry.owner,
            "section": int(entry.section),
            "table_access_method": entry.table_access_method,
            "tablespace": entry.tablespace,
            "tag": entry.tag,
        },
        decode_entry,
    )


def decode_entry(data: bytes) -> SchemaEntry:
    """Raises  Malformed, LimitExceeded, Unsupported"""
    fields = Record.decode(data, what="schema entry", bytes_max=META_BYTES_MAX)
    entry = SchemaEntry(
        identity=decode_identity(fields.value("identity")),
        section=_section(fields.integer("section")),
        tag=fields.text("tag"),
        namespace=fields.text("namespace"),
        owner=fields.text("owner"),
        definition=fields.text("definition"),
        drop=fields.text("drop"),
        tablespace=fields.text("tablespace"),
        table_access_method=fields.text("table_access_method"),
        function_definition=fields.text("function_definition"),
    )
    fields.finish()
    return entry


def encode_order(order: tuple[OrderItem, ...]) -> bytes:
    """Raises as `decode_order`"""
    entries: tuple[Value, ...] = tuple(
        (encode_identity(item.identity), int(item.section), item.entry, item.needs) for item in order
    )
    return codec.encode_proven({"entries": entries}, decode_order)


def decode_order(data: bytes) -> tuple[OrderItem, ...]:
    """pg_dump's order. Raises  Malformed, LimitExceeded, Unsupported"""
    fields = Record.decode(data, what="schema order", bytes_max=META_BYTES_MAX)
    entries = fields.array("entries")
    fields.finish()
    return tuple(_decode_order_item(value, len(entries)) for value in entries)


def _decode_order_item(value: Value, count: int) -> OrderItem:
    row = Row(value, length=4, what="schema order")
    item = OrderItem(
        identity=decode_identity(row.value()),
        section=_section(row.integer()),
        entry=ObjectId(row.blob(32)),
        needs=tuple(codec.integer_of(need, "schema order") for need in row.array()),
    )
    _check_needs(item.needs, count)
    return item


def _check_needs(needs: tuple[int, ...], count: int) -> None:
    if not codec.ascend(needs):
        raise Malformed("schema order: needs do not ascend")
    if needs and not 0 <= needs[0] <= needs[-1] < count:
        raise Malformed("schema order: an entry needs one that is not there")


def _section(value: int) -> Section:
    if value not in {int(known) for known in Section}:
        raise Malformed("section: out of range")
    return Section(value)
