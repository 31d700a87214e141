"""What tells whether a source is as it was when it was imported: a hash of all that was read of it.

128 bits of XXH3 (https://xxhash.com): no more likely to agree by chance than those of SHA-1, in a tenth of
its time. They keep nothing secret, and prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from xxhash import xxh3_128

Fingerprint = xxh3_128
"""A fingerprint of bytes: more of them are added by ``update``, and ``hexdigest`` is what is kept."""

_PIECE = 1 << 20
"""Bytes that are read at a time."""


def fingerprint_of(paths: Iterable[Path], progress: Callable[[int], object] = lambda size: None) -> tuple[str, int]:
    """Return the fingerprint of what files hold, one after the other, and how many bytes. Raises OSError."""
    found, size = Fingerprint(), 0
    for path in paths:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                found.update(piece)
                progress(len(piece))
                size += len(piece)
    return found.hexdigest(), size
