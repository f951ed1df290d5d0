"""What this machine can give: memory and disk, asked before anything is allocated."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from pathlib import Path


def memory_available() -> int | None:
    """Bytes this machine can give to a new process; None where the system does not say."""
    found = [_meminfo_available(), _physical(), _group_limit()]
    known = [value for value in found if value is not None]
    return min(known) if known else None


def disk_available(folder: Path) -> int | None:
    """Bytes free where ``folder`` is, or will be made; None where the system does not say."""
    there = next((one for one in (folder, *folder.absolute().parents) if one.is_dir()), None)
    try:
        return None if there is None else shutil.disk_usage(there).free
    except OSError:
        return None


def open_regular(path: str | Path, flags: int = os.O_RDONLY) -> int:
    """Descriptor of a file; a pipe is not waited for and a device not read.

    Raises
    ------
    OSError
        Of the system, or for what is no regular file.
    """
    quick = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags | quick, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is a device, a pipe or a folder; a file is needed", str(path))
    return descriptor


def read_regular(path: Path, most: int, start: bytes = b"") -> bytes:
    """All bytes of a regular file of at most ``most``; none where it does not begin as it should.

    Raises
    ------
    OSError
    """
    with os.fdopen(open_regular(path), "rb") as file:
        if os.fstat(file.fileno()).st_size > most:
            raise OSError(errno.EFBIG, "is larger than the memory", str(path))
        head = file.read(len(start))
        return head + file.read() if head == start else b""


def changed_at(path: Path) -> int | None:
    """When a file was written last, in nanoseconds; None where there is none."""
    return path.stat().st_mtime_ns if path.exists() else None


def readable(count: float) -> str:
    """Bytes in words."""
    amount, unit = (count / 2**30, "GiB") if count >= 2**29 else (count / 2**20, "MiB")
    if amount >= 1e6:
        return f"{amount:.3g} {unit}"
    return f"{amount:,.0f} {unit}" if amount >= 100 else f"{amount:.3g} {unit}"


def _meminfo_available() -> int | None:
    # MemAvailable counts the page cache that can be dropped; sysconf's free pages do not.
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _physical() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _group_limit() -> int | None:
    # A container's limit lies below the machine's memory and is not seen by sysconf.
    try:
        return int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):
        return None


def peak_memory() -> int | None:
    """Largest memory this process has held, in bytes; None where the system does not tell."""
    # Of Linux: what getrusage says there counts the process that started this one, too.
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes, but for macOS.
    return peak if sys.platform == "darwin" else peak * 1024
