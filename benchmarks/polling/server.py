"""nginx on loopback, every feed on an address of its own: 127.77.x.y."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

TLS_HOSTS = 20
CONFIG = """
daemon off; master_process off; pid {run}/nginx.pid; error_log {run}/error.log error;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {run}; proxy_temp_path {run}; fastcgi_temp_path {run};
  uwsgi_temp_path {run}; scgi_temp_path {run};
  types {{ application/rss+xml xml; }} default_type application/rss+xml; gzip_static on;
  root {root}; allow 127.0.0.0/8; deny all;
  server {{ listen {port} backlog=4096; {manners} }}
  {tls}
}}
"""
DEAF = 'etag off; if_modified_since off; add_header Last-Modified "";'
TLS = """
  server {{ listen {port} ssl backlog=4096; etag on;
            ssl_certificate {cert}; ssl_certificate_key {key};
            ssl_session_cache shared:s:10m; ssl_session_tickets on; }}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Nginx(AbstractContextManager["Nginx"]):
    """Serves a corpus over plain HTTP, with validators unless ``deaf``; and over TLS if told so.

    The port is the same in each run of one process, so that a feed keeps its address.
    """

    port = free_port()
    secure = free_port()

    def __init__(
        self, root: Path, run: Path, tls: tuple[Path, Path] | None = None, *, deaf: bool = False
    ) -> None:
        self.binary = shutil.which("nginx") or "/usr/sbin/nginx"
        run.mkdir(parents=True, exist_ok=True)
        secure = TLS.format(port=self.secure, cert=tls[0], key=tls[1]) if tls else ""
        manners = DEAF if deaf else "etag on;"
        self._config = run / "nginx.conf"
        self._config.write_text(
            CONFIG.format(run=run, root=root, port=self.port, manners=manners, tls=secure)
        )
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def missing() -> str | None:
        """Say why the server can't run here, or None."""
        if shutil.which("nginx") or Path("/usr/sbin/nginx").exists():
            return None
        return "nginx is not installed (Debian: apt-get install nginx-light)"

    def __enter__(self) -> Nginx:
        cores = sorted(os.sched_getaffinity(0))
        every = range(os.cpu_count() or 1)
        other = next((core for core in every if core not in cores[-1:]), cores[0])
        self._process = subprocess.Popen([self.binary, "-c", str(self._config)])
        os.sched_setaffinity(self._process.pid, {other})
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("nginx doesn't answer")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    @classmethod
    def addresses(cls, count: int, *, secure: bool = False) -> list[str]:
        """Return the feeds' addresses, one host each; over TLS on ``TLS_HOSTS`` hosts, because a
        certificate costs by the addresses it names."""
        if secure:
            hosts = (f"https://127.77.0.{n % TLS_HOSTS + 1}:{cls.secure}" for n in range(count))
        else:
            hosts = (f"http://127.77.{n // 250}.{n % 250 + 1}:{cls.port}" for n in range(count))
        return [f"{host}/{n}.xml" for n, host in enumerate(hosts)]
