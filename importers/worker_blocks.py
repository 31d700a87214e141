"""Which block a worker of a Work Queue or TaskVine manager is of: by where it connected from, and by what it ran.

The job of a block writes down the addresses of its workers, and monitoring in which block each try ran. Where the two
deny each other, or one tells of several blocks, the worker is put into none, and that is reported.
"""

from __future__ import annotations

from collections import defaultdict

from importers import monitoring_tables as monitoring
from importers import parsl_blocks, parsl_log
from importers.cctools import EXECUTOR_TASK
from importers.manager_rows import ManagerRows

BLOCKS = (parsl_blocks.BLOCK, monitoring.BLOCK)
"""The span types that a worker is put into."""

CONTRADICTION = "the evidence for which block it is of contradicts itself, so it is not joined"

_ADDRESSES = """
    SELECT block.key, address.value
    FROM spans AS block
    CROSS JOIN json_each(block.attributes, '$.worker_addresses') AS address
    WHERE block.run = :run AND block.type = :block
"""
"""The addresses that the jobs of blocks wrote down."""

_CONNECTIONS = """
    SELECT worker.id, json_extract(manager.attributes, '$.executor'), in_worker.key
    FROM spans AS connection
    CROSS JOIN subspans AS in_worker ON in_worker.subspan = connection.id
    CROSS JOIN spans AS worker ON worker.id = in_worker.superspan AND worker.type = :worker
    CROSS JOIN subspans AS in_manager ON in_manager.subspan = worker.id
    CROSS JOIN spans AS manager ON manager.id = in_manager.superspan AND manager.type = :manager
    WHERE connection.run = :run AND connection.type = :connection
"""
"""Where workers connected from, and to the manager of which executor."""

_TRIES = """
    SELECT DISTINCT
        on_worker.superspan,
        json_extract(try.attributes, '$.executor') || '/' || json_extract(try.attributes, '$.block')
    FROM spans AS try
    CROSS JOIN spans AS log_try ON log_try.run = try.run AND log_try.type = :log_try AND log_try.key = try.key
    CROSS JOIN subspans AS in_try ON in_try.superspan = log_try.id
    CROSS JOIN spans AS executor_task ON executor_task.id = in_try.subspan AND executor_task.type = :executor_task
    CROSS JOIN subspans AS in_executor ON in_executor.superspan = executor_task.id
    CROSS JOIN spans AS task ON task.id = in_executor.subspan AND task.type = :task
        -- One that was on several workers tells of the last one only.
        AND json_extract(task.attributes, '$.attempts') IS NULL
    CROSS JOIN subspans AS on_worker ON on_worker.subspan = task.id
    CROSS JOIN spans AS worker ON worker.id = on_worker.superspan AND worker.type = :worker
    WHERE try.run = :run AND try.type = :try AND json_extract(try.attributes, '$.block') IS NOT NULL
"""
"""The blocks that monitoring says the tries of workers' tasks ran in."""


def link(rows: ManagerRows) -> None:
    """Put the workers of a run into their blocks."""
    blocks = defaultdict(list)
    for block_type in BLOCKS:
        for span, key in rows.spans(rows.types.get(block_type)):
            blocks[key].append(span)
    by_address, by_tries = _by_address(rows), _by_tries(rows)
    contradictory = []
    for span, key in rows.spans(rows.type_of("worker")):
        addressed, tried = by_address.get(span, set()), by_tries.get(span, set())
        found = addressed & tried if addressed and tried else addressed or tried
        worker = key.rpartition("/")[2]
        if len(found) == 1:
            note = None if addressed else "inferred from the block of its tasks' tries"
            rows.put([(block, span, worker, note) for block in blocks[next(iter(found))]])
        elif addressed or tried:
            contradictory.append((span, f"{worker}: by its address {sorted(addressed)}, by its tasks {sorted(tried)}"))
    for span, text in contradictory:
        rows.report(span, CONTRADICTION, [text])


def _by_address(rows: ManagerRows) -> dict[int, set[str]]:
    """Return the keys of the blocks whose job wrote down an address that a worker connected from, by worker."""
    blocks: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for block, address in rows.conn.execute(_ADDRESSES, {"run": rows.run, "block": rows.types.get(parsl_blocks.BLOCK)}):
        blocks[block.rpartition("/")[0], address].add(block)
    found: defaultdict[int, set[str]] = defaultdict(set)
    types = {thing: rows.type_of(thing) for thing in ("manager", "worker", "connection")}
    for worker, label, address in rows.conn.execute(_CONNECTIONS, {"run": rows.run, **types}):
        if (label, address) in blocks:
            found[worker] |= blocks[label, address]
    return found


def _by_tries(rows: ManagerRows) -> dict[int, set[str]]:
    """Return the keys of the blocks that the tries of a worker's tasks ran in, by worker."""
    types = {
        "try": rows.types.get(monitoring.TRY),
        "log_try": rows.types.get(parsl_log.TRY),
        "executor_task": rows.types.get(EXECUTOR_TASK[rows.kind]),
        "task": rows.type_of("task"),
        "worker": rows.type_of("worker"),
    }
    found: defaultdict[int, set[str]] = defaultdict(set)
    for worker, block in rows.conn.execute(_TRIES, {"run": rows.run, **types}):
        found[worker].add(block)
    return found
