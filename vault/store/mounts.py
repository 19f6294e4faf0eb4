"""Whether a directory lies on a network file system, from the kernel's table of mounts. Reads nothing else.

NFS and SMB keep listings for up to a minute (acregmax, actimeo), and what FUSE mounts is mostly a network behind a cache. Linux alone
has this table; elsewhere a directory counts as local. Spec 80-leases.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

_NETWORK: Final = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "gfs2",
        "gluster",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
    }
    | {"ocfs2", "smb3", "smbfs", "sshfs", "vboxsf", "virtiofs", "vmhgfs"}
)
_LOCAL_FUSE: Final = frozenset({"fuseblk", "fuse.ext2", "fuse.lxcfs", "fuse.mergerfs", "fuse.ntfs-3g"})
_MOUNTS: Final = Path("/proc/self/mountinfo")


def own_mounts() -> str:
    try:
        return _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def network_of(root: str, mounts: str) -> str:
    """Type of the file system that `root` lies on, if it is one of a network; else empty.

    mounts   as /proc/self/mountinfo: ID PARENT DEVICE ROOT PLACE OPTIONS [TAGS] - TYPE SOURCE OPTIONS
    """
    path = os.path.realpath(root)
    best, kind = "", ""
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        fields, types = before.split(" "), after.split(" ")
        if not separator or len(fields) < 5:
            continue
        place = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        inside = path == place or path.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= len(best):  # of two at one place the later one hides the earlier
            best, kind = place, types[0]
    return kind if kind in _NETWORK or (kind.startswith("fuse") and kind not in _LOCAL_FUSE) else ""
