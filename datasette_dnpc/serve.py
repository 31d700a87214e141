"""What ``dnpc serve`` starts: Datasette with the pages, on an address of this machine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasette.app import Datasette

PORT = 8001
"""Datasette's own: taken where none is asked for and it is free."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Hosts whose address only this machine reaches."""


class CanNotServe(Exception):
    """The address can not be served on; the message says why."""


def free_port(host: str, wanted: int | None) -> int:
    """Return the port that is asked for; without one, Datasette's own if it is free, else any free one.

    Raises CanNotServe where a port that is asked for is taken, or the host is none of this machine.
    """
    problem: OSError | None = None
    for port in [PORT, 0] if wanted is None else [wanted]:
        try:
            return _bound(host, port)
        except OSError as error:
            problem = error
    where = host if wanted is None else f"Port {wanted} of {host}"
    raise CanNotServe(f"{where} can not be used: {problem.strerror if problem else ''}")


def _bound(host: str, port: int) -> int:
    """Return the port that a socket gets, and give it up again."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the server does: a port that was just given up is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])


def metadata(database: Path) -> dict[str, Any]:
    """Return what tables and columns of a database are, whatever its name."""
    import yaml

    found: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "metadata.yml").read_text(encoding="utf-8"))
    found["databases"] = {database.stem: found["databases"]["dnpc"]}
    return found


def _datasette(database: Path, source_roots: Sequence[Path]) -> Datasette:
    from datasette.app import Datasette

    known = metadata(database)
    settings = {"plugins": {"datasette-dnpc": {"source_root": [str(root) for root in source_roots]}}}
    # Datasette 0.65 has settings of plugins in the metadata, 1.0 elsewhere.
    if hasattr(Datasette, "add_query"):
        return Datasette([str(database)], metadata=known, config=settings)
    return Datasette([str(database)], metadata={**known, **settings})


def serve(
    database: Path, host: str, port: int, source_roots: Sequence[Path], announce: Callable[[str], object]
) -> None:
    """Serve a database until the process is interrupted.

    :param source_roots: folders whose logs the page of a span may quote
    :param announce: called with the address of the page of runs as soon as it can be opened
    """
    try:
        asyncio.run(_serve(_datasette(database, source_roots), database.stem, host, port, announce))
    except KeyboardInterrupt:
        # The server has ended in good order, and says so by raising it once more.
        return


async def _serve(datasette: Datasette, name: str, host: str, port: int, announce: Callable[[str], object]) -> None:
    import uvicorn

    from datasette_dnpc.pages.frame import page_url

    await datasette.invoke_startup()
    server = uvicorn.Server(uvicorn.Config(datasette.app(), host=host, port=port, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():
        await asyncio.sleep(0.02)
    if server.started:
        shown = f"[{host}]" if ":" in host else host
        announce(f"http://{shown}:{port}{page_url(datasette, name)}")
    await serving
