"""Whether something can be mounted at a place: each reason against it with what to type. Looks, and changes nothing."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping
from typing import Final

from vault.errors import PermissionMissing, UnsafeError, UsageError, VaultError

DEVICE: Final = "/dev/fuse"
_INSTALL: Final = "Debian, Ubuntu: apt install fuse3; Fedora: dnf install fuse3; macOS: macFUSE or fuse-t"


def check_place(place: str) -> None:
    """Raises  UsageError: no directory; UnsafeError: it holds something, or something is mounted there"""
    try:
        names = os.listdir(place)
    except FileNotFoundError as error:
        raise UsageError(f"no directory {place}", hint=f"mkdir {place}") from error
    except NotADirectoryError as error:
        raise UsageError(f"{place} is no directory", hint="name an empty one") from error
    except PermissionError as error:
        raise UsageError(
            f"{place} cannot be read", why=error.strerror or "", hint="name a directory of your own"
        ) from error
    except OSError as error:
        if error.errno == errno.ENOTCONN:
            raise UnsafeError(
                f"{place} is a mount whose program is gone",
                why="it was killed before it could unmount",
                hint=f"{unmount(place)}, then mount again",
            ) from error
        raise UsageError(f"{place} cannot be read", why=error.strerror or "") from error
    if os.path.ismount(place):
        raise UnsafeError(
            f"something is mounted at {place} already", hint=f"{unmount(place)}, or name another directory"
        )
    if names:
        raise UnsafeError(
            f"{place} is not empty", why="what is in it would be hidden", hint=f"mkdir {place}/mnt, and mount there"
        )


def check_fuse(environment: Mapping[str, str]) -> None:
    """Linux only; elsewhere libfuse itself says it. Raises  VaultError: there is no FUSE; PermissionMissing: not for this user"""
    if os.uname().sysname != "Linux":
        return
    if not os.path.exists(DEVICE):
        raise VaultError(
            f"there is no {DEVICE}",
            why="the kernel's FUSE is not there: not loaded, or not given to this container",
            hint="modprobe fuse; in a container: --device /dev/fuse --cap-add SYS_ADMIN",
        )
    helper = shutil.which("fusermount3", path=environment.get("PATH")) or shutil.which(
        "fusermount", path=environment.get("PATH")
    )
    if os.geteuid() != 0 and helper is None:
        raise VaultError("there is no fusermount3", why="it is what mounts for a user who is not root", hint=_INSTALL)
    if not os.access(DEVICE, os.R_OK | os.W_OK) and helper is None:
        raise PermissionMissing(f"no right to {DEVICE}", hint=f"ls -l {DEVICE}; on some systems: usermod -aG fuse USER")


def missing_library(error: Exception) -> VaultError:
    """What to say where `mfusepy` could not be imported."""
    if isinstance(error, ImportError):
        return VaultError(
            "mount needs mfusepy", why="it is not installed with this pgvault", hint="pip install 'pgvault[mount]'"
        )
    return VaultError("mount needs libfuse", why="no libfuse3 or libfuse2 was found", hint=_INSTALL)


def unmount(place: str) -> str:
    """What to type."""
    return f"fusermount3 -u {place}" if os.uname().sysname == "Linux" else f"umount {place}"
