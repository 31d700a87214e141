"""Surrogate keys: one text identifier for a composite key, the same in Python and in SQL.

Two logs that are imported independently join because each makes the same key
from the same parts. A span's uuid is ``surrogate_key(span_type, *scope, local_id)``
where scope is the smallest thing in which the local id is unique.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

Part: TypeAlias = str | int | float | bytes | None

# The namespace of RFC 9562 version 5 UUIDs made here. Changing it changes every key.
NAMESPACE = bytes.fromhex("6c1a45b07b0c5d2c9f0e3d8d5f1f7c41")


def encode_part(part: Part) -> bytes:
    """Encode one part so that no two lists of parts have the same encoding.

    Each part is its kind, its length and its bytes, so ``('a', 'bc')`` differs from
    ``('ab', 'c')`` and NULL from ``''``. Numbers count as their text, because one log
    holds ``12`` where another holds ``'12'``; a float without fraction counts as the
    integer, because SQL and data frames turn columns of integers with gaps into floats.
    """
    if isinstance(part, str) and part.isascii():  # nearly all parts: the fast way
        return f"s{len(part)}:{part}".encode()
    if part is None:
        return b"n"
    if isinstance(part, bytes):
        return b"b%d:%b" % (len(part), part)
    if isinstance(part, bool) or (isinstance(part, float) and part.is_integer()):
        part = int(part)
    text = str(part).encode("utf-8", "surrogatepass")
    return b"s%d:%b" % (len(text), text)


# Version 5 and variant 10xx, as RFC 9562 sections 5.5 and 4.1 lay them out: what the bytes 6 and 8 become.
_VERSION = bytes(byte & 0x0F | 0x50 for byte in range(256))
_VARIANT = bytes(byte & 0x3F | 0x80 for byte in range(256))


def uuids_of(digests: Iterable[bytes]) -> list[bytes]:
    """Return the UUID of each SHA-1 digest, as 16 bytes: the keys that ``KeyPrefix.digest`` was asked for."""
    joined = bytearray(b"".join(digests))
    joined[6::20] = joined[6::20].translate(_VERSION)
    joined[8::20] = joined[8::20].translate(_VARIANT)
    whole = bytes(joined)
    return [whole[start : start + 16] for start in range(0, len(whole), 20)]


def uuid_text(uuid: bytes) -> str:
    """Return a UUID of 16 bytes as 36 characters."""
    text = uuid.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def uuid_bytes(text: str) -> bytes:
    """Return the 16 bytes of a UUID's text; where it is another text, the bytes of that."""
    try:
        found = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        found = b""
    return found if len(found) == 16 else text.encode("utf-8", "surrogatepass")


LONGEST_NUMBER = 18
"""Digits of a number that SQLite can keep, whatever they are."""


def number_of(part: str) -> int | None:
    """Return the number that a part of a key is; None where it is none, or larger than any that is counted.

    Keys that a monitoring.db or a user's own format gives may hold any text.
    """
    return int(part) if part.isdecimal() and len(part) <= LONGEST_NUMBER else None


class KeyPrefix:
    """The leading parts of many keys, hashed once.

    ``KeyPrefix(a, b)(c)`` equals ``surrogate_key(a, b, c)``.
    """

    def __init__(self, *parts: Part) -> None:
        self._hash = hashlib.sha1(NAMESPACE + b"".join(map(encode_part, parts)), usedforsecurity=False)

    def __call__(self, *parts: Part) -> str:
        """Return the key of the prefix followed by these parts, as a 36 character UUID."""
        digest = self._hash.copy()
        digest.update(b"".join(map(encode_part, parts)))
        return uuid_text(uuids_of([digest.digest()])[0])

    def digest(self, *parts: str) -> bytes:
        """Return what ``uuids_of`` makes the key of the prefix followed by texts of: for many keys at a time."""
        digest = self._hash.copy()
        text = "".join([f"s{len(part)}:{part}" for part in parts])
        digest.update(text.encode() if text.isascii() else b"".join(map(encode_part, parts)))
        return digest.digest()

    def digests(self, names: Sequence[str]) -> Iterator[bytes]:
        """Yield the digest of the prefix followed by each of some texts."""
        if not "".join(names).isascii():
            yield from map(self.digest, names)
            return
        copy = self._hash.copy
        for name in names:
            digest = copy()
            digest.update(f"s{len(name)}:{name}".encode())
            yield digest.digest()


_no_prefix = KeyPrefix()


def surrogate_key(*parts: Part) -> str:
    """Return the surrogate key of a composite key: a UUID as text.

    >>> surrogate_key('parsl.monitoring.try', 'run', 12, 0) == surrogate_key(
    ...     'parsl.monitoring.try', 'run', '12', '0')
    True
    """
    return _no_prefix(*parts)
