"""A real pgbouncer in transaction mode before a server, where it is installed (Debian: `apt-get install pgbouncer`)."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.servers.folders import Folder
from tests.servers.postgres import LEASH, PATIENCE, free_port

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
ABSENT = "pgbouncer is not installed: apt-get install pgbouncer"


@contextmanager
def pooled(url: str, connections: int = 4) -> Iterator[str]:
    """The URL of the same database through a pooler with so few connections to the server."""
    server, folder, port = urlsplit(url), Folder(), free_port()
    (folder.path / "pooler.ini").write_text(
        "\n".join(
            [
                "[databases]",
                f"* = host={server.hostname} port={server.port} user={server.username}",
                "[pgbouncer]",
                f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =",
                "auth_type = any\npool_mode = transaction\nserver_round_robin = 1",
                f"default_pool_size = {connections}\nmax_client_conn = 200",
            ]
        ),
        "utf-8",
    )
    assert PROGRAM is not None, ABSENT
    process = subprocess.Popen(
        [sys.executable, str(LEASH), str(os.getpid()), PROGRAM, "-q", str(folder.path / "pooler.ini")], cwd=folder.path
    )
    try:
        _await(port, process)
        yield f"postgresql://{server.username}@127.0.0.1:{port}{server.path}?pooler=transaction"
    finally:
        process.terminate()
        process.wait(PATIENCE)
        folder.remove()


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("pgbouncer did not come up")
