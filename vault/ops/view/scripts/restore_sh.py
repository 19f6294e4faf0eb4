"""`restore_complete_backup.sh`: restores the dump that lies beside it. The same text in every snapshot: nothing of the data is in it."""

from __future__ import annotations

from typing import Final

from vault.sql.emptiness import REFUSE_UNFIT

_TEXT: Final = r"""#!/bin/sh
# Restores the backup in this script's directory into a new database (createdb -T template0 NAME), as a superuser.
# Anything else is refused before anything is changed: another role, or a part, is for `pgvault restore`.
#
#   ./restore_complete_backup.sh [-r] [-s] [-j JOBS] [DATABASE]
#
#   DATABASE  a name, a connection string or a postgresql:// URL; without it, PGDATABASE
#   -r        first create the roles of the backup (roles.sql); those that exist are reported and stay as they are
#   -s        with psql and complete_database_with_data.sql, not with pg_restore and the dump
#   -j JOBS   connections of pg_restore (4)
#
# The dump cannot carry what some comparisons call (CASE, NULLIF, IS DISTINCT FROM, JOIN USING, over citext for one): where
# BACKUP_MANIFEST.md names such definitions, use `pgvault restore`, or -s.
#
# Host, port and user as everywhere: PGHOST, PGPORT, PGUSER. The password comes from PGPASSFILE or PGPASSWORD, or is asked for;
# do not put it into DATABASE, which every user of the machine can see.
# Ends with 0 only if everything was restored.
set -eu

usage() {
    sed -n '2,/^set /s/^# \{0,1\}//p' "$here/restore_complete_backup.sh" >&2
    exit 2
}

unset CDPATH
here=$(dirname -- "$0")
here=$(cd -- "$here" && pwd -P && printf x)
here=${here%?x}
roles=no
form=dump
jobs=4
while getopts rsj: option; do
    case $option in
        r) roles=yes ;;
        s) form=sql ;;
        j) jobs=$OPTARG ;;
        *) usage ;;
    esac
done
shift $((OPTIND - 1))
[ $# -le 1 ] || usage
database=${1:-${PGDATABASE:-}}
[ -n "$database" ] || usage

psql -X -q -v ON_ERROR_STOP=1 -d "$database" <<'PGVAULT'
@REFUSE@PGVAULT
if [ "$roles" = yes ]; then
    psql -X -q -d "$database" -f "$here/roles.sql"
fi
if [ "$form" = dump ]; then
    pg_restore --jobs="$jobs" --dbname="$database" "$here/complete_database_with_data.dump"
    psql -X -q -d "$database" -f "$here/database_settings.sql" >/dev/null
else
    psql -X -q -d "$database" -f "$here/complete_database_with_data.sql" >/dev/null
fi
echo "restored" >&2
"""


RESTORE_SH: Final = _TEXT.replace("@REFUSE@", REFUSE_UNFIT)


def restore_sh() -> bytes:
    """The script, for a POSIX shell."""
    return RESTORE_SH.encode()
