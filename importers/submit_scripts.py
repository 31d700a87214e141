"""What a block's batch job said and how it ended: files in RUN/submit_scripts/ beside the script that started it.

::

    parsl.<label>.block-<N>.<time of submission>.sh.out    what it wrote; .stdout with SlurmProvider and others
    parsl.<label>.block-<N>.<time of submission>.sh.ec     its exit code, '-' until it ends

The output of a Work Queue or TaskVine worker is the only place that tells which block the worker is of: it names the
address that the manager knows the worker by.
"""

from __future__ import annotations

import re
from pathlib import Path

from importers.fingerprint import Fingerprint
from importers.logfile import Block, blocks, line_at
from importers.parsl_blocks import BLOCK, EXECUTOR
from importers.rows import Batch, storable
from importers.runs import read_run
from importers.sources import Progress, Source

NAME = "submit_scripts"
ROOTS = ()

FOLDER = "submit_scripts"
EXIT_CODE = ".sh.ec"

_FILE = re.compile(
    r"parsl\.(?P<label>.+)\.block-(?P<block>\d{1,18})\.(?P<time>\d{1,10}(?:\.\d{1,12})?)"
    r"(?:\.sh\.ec|\.sh\.out|(?:\.submit)?\.stdout)",
    re.ASCII,
)
# connected to manager vm:1024 via local address 127.0.0.1:37482
_CONNECTED = re.compile(rb"connected to manager \S+ via local address (\S+)$", re.MULTILINE)
_ADDRESS = b" via local address "
# 0
_CODE = re.compile(rb"-?\d{1,9}\n")


def find(path: Path) -> Source | None:
    """Recognise output and exit code of a block by name and folder."""
    folder = path.absolute().parent
    match = _FILE.fullmatch(path.name) if folder.name == FOLDER else None
    directory = folder.parent
    if match is None or directory == directory.parent:
        return None
    return Source(
        NAME,
        path,
        storable(path.absolute().relative_to(directory.parent).as_posix()),
        read_run(directory),
        {name: storable(value) for name, value in match.groupdict().items()},
    )


def read(source: Source, batch: Batch, progress: Progress) -> str:
    """Read the output or the exit code of a block."""
    label, number = source.fields["label"], source.fields["block"]
    block_span = batch.span(BLOCK, label, number)
    batch.subspan(batch.span(EXECUTOR, label), block_span, number)
    # The name of the file is a record, too: it says when.
    batch.event(block_span, float(source.fields["time"]), "submitted", 0)
    batch.records += 1
    fingerprint = Fingerprint(source.fields["time"].encode())
    found = blocks(source.path, fingerprint, batch, progress)
    if source.path.name.endswith(EXIT_CODE):
        batch.format = "exit code"
        for block in found:
            _exit_code(block, batch, block_span)
    else:
        batch.format = "output"
        addresses: dict[str, None] = {}
        for block in found:
            _addresses(block, batch, addresses)
        batch.annotate(block_span, worker_addresses=list(addresses) or None)
    return fingerprint.hexdigest()


def _exit_code(block: Block, batch: Batch, span: int) -> None:
    if _CODE.fullmatch(block.data):
        batch.records += 1
        batch.annotate(span, exit_code=int(block.data))
    elif block.data != b"-\n":
        batch.reject("an exit code that is no number", block.start, block.data)


def _addresses(block: Block, batch: Batch, addresses: dict[str, None]) -> None:
    """Add the local addresses that workers connected from."""
    data = block.data
    position = data.find(_ADDRESS)
    while position >= 0:
        line = data.rfind(b"\n", 0, position) + 1
        if match := _CONNECTED.match(data, line):
            batch.records += 1
            addresses[match[1].decode("utf-8", "replace")] = None
        else:
            batch.reject("a connection in an unknown form", block.start + line, line_at(data, line))
        position = data.find(_ADDRESS, data.find(b"\n", position))
