"""A network file system is known by the kernel's table of mounts; what is on none counts as local."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vault.store import mounts
from vault.store.local import LocalStore, create_local
from vault.store.mounts import network_of, own_mounts

TABLE = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /srv/nas rw,relatime - nfs4 server:/export rw
31 22 0:41 / /srv/nas/disk rw shared:5 master:2 - xfs /dev/sdb1 rw
32 22 0:42 / /srv/with\040space rw - cifs //server/share rw
33 22 0:43 / /home/a/remote rw - fuse.sshfs host: rw
34 22 0:44 / /home/a/stick rw - fuseblk /dev/sdc1 rw
35 22 0:45 / /over rw - nfs server:/x rw
36 35 0:46 / /over rw - tmpfs none rw
37 22 0:47 / /bare - nfs server:/y
38 22 0:48 / - nfs server:/z
a line that is none
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv", ""),
        ("/srv/nas", "nfs4"),
        ("/srv/nas/backups/app", "nfs4"),
        ("/srv/nasty", ""),
        ("/srv/nas/disk/r", ""),
        ("/srv/with space/r", "cifs"),
        ("/home/a/remote/r", "fuse.sshfs"),
        ("/home/a/stick/r", ""),
        ("/over/r", ""),
        ("/bare/r", "nfs"),
    ],
)
def test_the_nearest_mount_says_what_a_directory_lies_on(path: str, kind: str) -> None:
    assert network_of(path, TABLE) == kind


def test_without_a_table_a_directory_is_local() -> None:
    assert network_of("/srv/nas", "") == ""


def test_a_table_that_cannot_be_read_is_none_and_one_with_any_bytes_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "_MOUNTS", tmp_path / "mountinfo")
    assert own_mounts() == ""
    (tmp_path / "mountinfo").write_bytes(b"30 22 0:40 / /\xff rw - nfs server:/export rw\n")
    assert network_of(os.fsdecode(b"/\xff/r"), own_mounts()) == "nfs"


def test_the_kernels_own_table_can_be_read() -> None:
    assert network_of("/", own_mounts()) in ("", "9p", "virtiofs")


@pytest.mark.spec("LEASE-21")
def test_a_store_says_what_it_lies_on_and_follows_links(tmp_path: Path) -> None:
    create_local(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    table = f"40 22 0:50 / {os.path.realpath(tmp_path)}/real rw - nfs server:/x rw\n"
    assert LocalStore(tmp_path / "link", os.urandom, mounts=lambda: table).network == "nfs"
    assert LocalStore(tmp_path, os.urandom, mounts=lambda: table).network == ""


NETWORK = (
    *("9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs2", "gluster", "glusterfs", "lustre", "ncpfs", "nfs"),
    *("nfs4", "ocfs2", "smb3", "smbfs", "sshfs", "vboxsf", "virtiofs", "vmhgfs", "fuse", "fuse.s3fs", "fuse.rclone"),
)
NEAR = (
    "ext4",
    "xfs",
    "btrfs",
    "zfs",
    "tmpfs",
    "overlay",
    "ext2",
    "fuseblk",
    "fuse.ext2",
    "fuse.lxcfs",
    "fuse.mergerfs",
)


@pytest.mark.parametrize("kind", [*NETWORK, *NEAR, "fuse.ntfs-3g"])
def test_kinds_of_file_systems_are_known(kind: str) -> None:
    assert network_of("/data", f"30 22 0:40 / /data rw - {kind} what rw\n") == (kind if kind in NETWORK else "")
