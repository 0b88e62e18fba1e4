"""Files that are whole or not there, whenever the process or the machine dies.

What is written goes to a temporary file beside its place, is flushed to disk, and takes its name at once.
"""

import hashlib
import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file that is either as it was before or as it shall be, and then stays so."""
    beside = path.parent / f".{path.name}.unfinished"
    write_synced(beside, content)
    beside.replace(path)
    sync_folder(path.parent)


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it; its name is not durable yet."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, however long, or of all files of a folder with their names."""
    if path.is_dir():
        names = sorted(one for one in path.rglob("*") if one.is_file())
        told = "".join(f"{sha256_of(one)} {one.relative_to(path).as_posix()}\n" for one in names)
        return hashlib.sha256(told.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
