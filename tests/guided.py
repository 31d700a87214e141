"""Importers fed with bytes that reach code which none before did: atheris watches coverage, and changes what is new.

After ``pip install --group guided``: ``python -m tests.guided watch --seconds 600``, with the name of a check below, or
of a target of ``tests.fuzz`` whose file is text. It ends with an error at the first bytes that make one fail, and keeps
them in a file in the current folder. ``tests/test_fuzz.py`` runs the checks on what they begin with.
"""

from __future__ import annotations

import argparse
import json
import pickle
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FunctionType

from importers import cctools, htex, logfile, parsl_log, places, runs
from importers.drift import HTEX_KNOWN, PARSL_KNOWN, watch
from importers.parsl_tracing import NotPlainData, plain_data
from importers.pattern import LATEST, Hit
from importers.reading import read_source
from importers.rows import Batch
from importers.times import EPOCH, UnknownZone, clock_of_name, naive_seconds
from tests.fuzz import TARGETS, Failed, Target, load
from tests.runs import DATA

LONGEST = 3000
"""Bytes that are tried at most."""


@dataclass(frozen=True)
class Check:
    """What is tried: a function that raises on what is wrong, and the bytes that it begins with."""

    run: Callable[[bytes], object]
    seeds: list[bytes]


WATCHES = [
    (patterns, watch(tuple(patterns), known))
    for patterns, known in (
        (parsl_log.PATTERNS, PARSL_KNOWN),
        (htex.INTERCHANGE_PATTERNS, HTEX_KNOWN),
        (htex.MANAGER_PATTERNS, HTEX_KNOWN),
        (htex.WORKER_PATTERNS, HTEX_KNOWN),
    )
]


def watched(data: bytes) -> None:
    """Compare one pass over lines with a look at each. The first byte says which log it is, and in which dialect."""
    which, text = data[:1] or b"\0", data[1:] + b"\n"
    patterns, one_pass = WATCHES[which[0] % 4]
    dialect = (logfile.TEXT, logfile.TEXT_LOCAL, logfile.UNKNOWN)[which[0] // 4 % 3]
    batch = Batch("", format=dialect)
    records = one_pass.records(logfile.Block(0, text), EPOCH, batch)
    found = [(hit.offset, hit.time, hit.pattern) for hit in records if isinstance(hit, Hit)]
    expected, begin = [], 0
    while begin < len(text):
        end = text.find(b"\n", begin)
        if message := logfile.message_at(text, begin, end):
            match = next((match for pattern in patterns if (match := pattern.compiled.match(text, message))), None)
            time = logfile.time_at(text, begin, EPOCH, batch)
            if match and 0 <= time <= LATEST:
                expected.append((begin, time, next(p for p in patterns if p.compiled is match.re)))
        begin = end + 1
    if found != expected:
        raise Failed(f"in {text!r}, one pass finds {found}, a look at each line {expected}")


def _watch_seeds() -> Iterator[bytes]:
    rng = Random(1)
    for number, name in enumerate(("parsl", "interchange", "manager", "worker_*")):
        for log in sorted(DATA.glob(f"**/{name}.log")):
            lines = log.read_bytes().splitlines(keepends=True)
            for _ in range(5):
                some = b"".join(line for line in rng.sample(lines, min(3, len(lines))) if len(line) < 400)
                yield bytes([number]) + some
                yield bytes([number + 4]) + re.sub(rb"(?m)^\S+ (\S+ \S+) (.*?): ", rb"\1.123 \2]  ", some)


def timed(data: bytes) -> None:
    """Read a time and a zone, which may be none."""
    text = data.decode("utf-8", "surrogateescape")
    naive_seconds(text)
    with suppress(UnknownZone):
        clock_of_name(clock_of_name(text).name).utc(1795397698.5)


TIMES = [
    b"2026-11-23 01:34:57.099051", b"2026-11-23T01:34:57,123456789", b"0001-01-01 00:00:00", b"9999-12-31 23:59:59",
    b"2026-11-23 01:34:57+05:00", b"20261123T013457", b"2026-W48-1", b"America/Chicago", b"UTC+02:00", b"-06:00",
    b"../../etc/passwd", b"Etc/GMT+12",
]  # fmt: skip


def plain(data: bytes) -> None:
    """Read a pickle of plain data, or refuse it."""
    with suppress(NotPlainData):
        plain_data(data)


PLAIN = {"events": [("a", 1.5, "b", "c"), ("x", 1, None, True)], "binds": [("a", 1, "b", 2)]}


def of_target(target: Target, folder: Path) -> Check:
    """Return a check of the importer of a target: it reads any lines after the first into rows that can be stored."""
    formats = load(target, folder)
    logs = folder / "logs"
    logs.mkdir()
    target.write(logs, Random(0), 0)
    (path,) = logs.rglob(target.source.rsplit("/", 1)[-1])
    lines = path.read_bytes().splitlines(keepends=True)
    begin = lines[0] + b"".join(line for line in lines if b"Run id is" in line or b" START" in line)[:400]

    def read(data: bytes) -> None:
        path.write_bytes(begin + data + b"\n")
        for cache in (cctools.managers, runs.read_run, places.run_above):
            cache.cache_clear()
        for source in filter(None, (importer.find(path) for importer in formats.importers.values())):
            result = read_source(source, formats=formats)
            batch = result.batch
            if result.error:
                raise Failed(result.error)
            if not all(0 <= time <= LATEST for time in batch.event_times):
                raise Failed("an event at no time that can be")
            for text in (*batch.attributes_json.values(), *(text for _, text in batch.raw_records)):
                json.loads(text)
            for text in (*batch.keys, *batch.attributes_json.values(), *batch.event_type_names):
                text.encode()

    rng = Random(2)
    return Check(read, [b"".join(rng.sample(lines, min(3, len(lines))))[:LONGEST] for _ in range(40)])


CHECKS = {
    "watch": Check(watched, list(_watch_seeds())),
    "times": Check(timed, TIMES),
    "pickle": Check(plain, [pickle.dumps(PLAIN, protocol=protocol) for protocol in range(6)]),
}


def _functions() -> Iterator[FunctionType]:
    """Yield all functions of the importers."""
    for name, module in list(sys.modules.items()):
        if name.startswith("importers."):
            for value in vars(module).values():
                inside: Iterable[object] = vars(value).values() if isinstance(value, type) else [value]
                yield from (f for f in inside if isinstance(f, FunctionType) and f.__module__ == name)


def main() -> None:
    """Run the command."""
    import atheris

    texts = {target.name: target for target in TARGETS if not target.offsets_are_ordinals}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=[*CHECKS, *texts])
    parser.add_argument("--seconds", type=int, default=600)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="dnpc-guided-"))
    check = CHECKS[options.name] if options.name in CHECKS else of_target(texts[options.name], folder)
    (folder / "corpus").mkdir()
    for number, seed in enumerate(check.seeds):
        (folder / "corpus" / str(number)).write_bytes(seed)
    for function in _functions():
        atheris.instrument_func(function)
    limits = [f"-max_total_time={options.seconds}", f"-max_len={LONGEST}", "-timeout=20"]
    atheris.Setup([sys.argv[0], *limits, str(folder / "corpus")], check.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
