"""nginx on loopback, every feed on an address of its own: 127.77.x.y, one port a behaviour."""

from __future__ import annotations

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
  server {{ listen {plain} backlog=4096; etag on; }}
  server {{ listen {deaf} backlog=4096; etag off; if_modified_since off;
            add_header Last-Modified ""; }}
  {tls}
}}
"""
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
    """Serves a corpus: ``plain`` with validators, ``deaf`` without, ``secure`` over TLS."""

    def __init__(self, root: Path, run: Path, tls: tuple[Path, Path] | None = None) -> None:
        self.binary = shutil.which("nginx") or "/usr/sbin/nginx"
        self.plain, self.deaf, self.secure = free_port(), free_port(), free_port()
        run.mkdir(parents=True, exist_ok=True)
        secure = ""
        if tls is not None:
            secure = TLS.format(port=self.secure, cert=tls[0], key=tls[1])
        self._config = run / "nginx.conf"
        self._config.write_text(
            CONFIG.format(run=run, root=root, plain=self.plain, deaf=self.deaf, tls=secure)
        )
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def missing() -> str | None:
        """Say why the server can't run here, or None."""
        if shutil.which("nginx") or Path("/usr/sbin/nginx").exists():
            return None
        return "nginx is not installed (Debian: apt-get install nginx-light)"

    def __enter__(self) -> Nginx:
        self._process = subprocess.Popen([self.binary, "-c", str(self._config)])
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.plain), 0.2).close()
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

    def urls(self, count: int, kind: str = "plain") -> list[str]:
        """Return the feeds' addresses: one host each."""
        port = {"plain": self.plain, "deaf": self.deaf, "secure": self.secure}[kind]
        if kind == "secure":  # a certificate has room for so many addresses, and costs by them
            return [f"https://127.77.0.{n % TLS_HOSTS + 1}:{port}/{n}.xml" for n in range(count)]
        return [f"http://127.77.{n // 250}.{n % 250 + 1}:{port}/{n}.xml" for n in range(count)]
