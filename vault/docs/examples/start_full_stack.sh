#!/usr/bin/env bash
# Starts the whole stack of a Supabase project, and leaves a backup of it running in the background.
# Which repository, database and directories, and where the passphrase is, says pgvault.toml beside supabase/ (pgvault init).
set -euo pipefail
cd "$(dirname "$0")"

# What you start today.
supabase start

# The line to add. It returns at once with the path of a log for `tail -f`. The backup waits for the database, runs at low
# priority, is the only one of its kind, and goes on when this script and its terminal are gone. `|| true` is for a machine
# without pgvault.
pgvault backup --background || true

echo "the stack is up"
