"""What commands there are."""

from __future__ import annotations

from typing import Final

COMMANDS: Final = {
    "demo": "See all of it on a generated project, without a database of your own.",
    "init": "Create a repository and its recovery kit.",
    "backup": "Save one snapshot of a database and its directories.",
    "run": "Run a command with a backup before or after it.",
    "status": "Is it safe, and if not, why and what to type.",
    "watch": "Stay, and take snapshots by the clock.",
    "snapshots": "List the snapshots.",
    "show": "Show one snapshot: what is in it, and what is not.",
    "diff": "Show what differs between two snapshots, or a snapshot and the live database.",
    "ls": "List the files of a snapshot, the rendered ones included.",
    "cat": "Print a file of a snapshot.",
    "copy": "Copy snapshots into another repository.",
    "extract": "Write files of a snapshot into a directory.",
    "find": "Find in which snapshots something is: a file, a table, a policy, a function.",
    "log": "Show how a table, a row, a policy, a function or a file changed over all snapshots.",
    "mount": "Show all snapshots as a file system, read-only.",
    "table": "Print the rows of one table.",
    "rows": "Print rows of one table by a condition.",
    "sql": "Ask a question in SQL, over one snapshot or several.",
    "export": "Write a snapshot as a directory, an archive, SQL, or data for other engines.",
    "restore": "Restore a snapshot, or a part of it, into a database and directories.",
    "drill": "Prove a snapshot: restore it into a throwaway server and compare.",
    "prune": "Free the space of what no snapshot needs any more.",
    "check": "Check that the repository's bytes are intact.",
    "verify": "Verify that the content of snapshots equals their manifests.",
    "forget": "Remove snapshots: those named, or all that no rule of a policy keeps.",
    "pin": "Keep a snapshot, whatever a policy says.",
    "unpin": "Remove all pins of a snapshot.",
    "ack": "List what the guard found, and answer for it.",
    "repair": "Mend a damaged repository: its index, its packs, its snapshots.",
    "key": "List, add, change and remove passphrases; write a recovery kit.",
    "unlock": "List leases, and remove those of dead writers.",
    "doctor": "Find out whether a backup would work, and what to type where it would not.",
    "config": "Show the settings in effect, or find the mistakes in them.",
    "schedule": "Take snapshots by the clock: install, remove and look at what the system starts.",
    "stats": "Show sizes, and what made them grow.",
    "completion": "Print what makes TAB work in bash, zsh or fish.",
    "help": "Explain a command, the errors, the exit codes or the environment.",
}
"""Command name -> the line that `--help` shows. Module `vault.cli.commands.NAME` holds it as COMMAND."""
