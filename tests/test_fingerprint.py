"""Fingerprints: the same for the same bytes, wherever they lie."""

from pathlib import Path

import pytest

from importers import fingerprint
from importers.fingerprint import Fingerprint, fingerprint_of


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_files_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(fingerprint, "_PIECE", piece)
    parts = [b"a line\n" * 9, b"", b"another\0line"]
    paths = [tmp_path / str(n) for n in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        path.write_bytes(part)
    seen: list[int] = []
    whole = b"".join(parts)
    assert fingerprint_of(paths, seen.append) == (Fingerprint(whole).hexdigest(), len(whole))
    assert sum(seen) == len(whole) and max(seen) <= piece
    assert fingerprint_of(reversed(paths)) != fingerprint_of(paths)


def test_it_stays_what_it_is() -> None:
    """Else every database would be read again with the next version: a value that XXH3's own reference gives."""
    assert Fingerprint(b"").hexdigest() == "99aa06d3014798d86001c324468d497f"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        fingerprint_of([tmp_path / "none"])
