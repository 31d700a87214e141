"""Surrogate keys: one text identifier for a composite key, the same in Python and in SQL.

Two logs that are imported independently join because each makes the same key
from the same parts. A span's uuid is ``surrogate_key(span_type, *scope, local_id)``
where scope is the smallest thing in which the local id is unique.
"""

from __future__ import annotations

import hashlib
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


_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class KeyPrefix:
    """The leading parts of many keys, hashed once.

    ``KeyPrefix(a, b)(c)`` equals ``surrogate_key(a, b, c)``.
    """

    def __init__(self, *parts: Part) -> None:
        self._hash = hashlib.sha1(NAMESPACE + b"".join(map(encode_part, parts)), usedforsecurity=False)

    def __call__(self, *parts: Part) -> str:
        """Return the key of the prefix followed by these parts, as a 36 character UUID."""
        return self._key(b"".join(map(encode_part, parts)))

    def key(self, part: str) -> str:
        """Return the key of the prefix followed by one text: the common case, and the fast one."""
        return self._key(f"s{len(part)}:{part}".encode()) if part.isascii() else self(part)

    def _key(self, encoded: bytes) -> str:
        digest = self._hash.copy()
        digest.update(encoded)
        text = digest.hexdigest()
        # Version 5 and variant 10xx, as RFC 9562 sections 5.5 and 4.1 lay them out.
        variant = _VARIANT[text[16]]
        return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


_no_prefix = KeyPrefix()


def surrogate_key(*parts: Part) -> str:
    """Return the surrogate key of a composite key: a UUID as text.

    >>> surrogate_key('parsl.monitoring.try', 'run', 12, 0) == surrogate_key(
    ...     'parsl.monitoring.try', 'run', '12', '0')
    True
    """
    return _no_prefix(*parts)
