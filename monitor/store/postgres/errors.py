"""PostgreSQL's errors in our words: what is wrong, where, what to do. Never with a password."""

from __future__ import annotations

import asyncio

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict

from monitor.errors import OutOfReach, StateError


class Refused(StateError):
    """The database refuses what it was given, and would do so again."""


def place(url: str) -> str:
    """Return a database URL without user, password and options."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        return "postgresql://…"
    host = parts.get("host") or "localhost"
    return f"postgresql://{host}:{parts.get('port') or 5432}/{parts.get('dbname') or ''}"


def state_error(error: Exception, where: str) -> StateError:
    """Return the error to raise for ``error`` on the database at ``where``."""
    why = " ".join(str(error).split()) or type(error).__name__
    match error:
        # While connecting there is no code, only the server's words.
        case _ if "too many clients already" in why:
            return OutOfReach(
                f"{where}: the server takes no more connections; raise max_connections or run "
                "fewer workers"
            )
        case _ if "authentication failed" in why or "no password supplied" in why:
            return StateError(f"{where}: the login was refused; check user and password")
        case _ if 'database "' in why and "does not exist" in why:
            return StateError(f"{where}: there is no such database; create it with `createdb`")
        case pg.InvalidPassword() | pg.InvalidAuthorizationSpecification():
            return StateError(
                f"{where}: the login was refused; check user and password in `state:`"
            )
        case pg.InsufficientPrivilege() | pg.InvalidSchemaName():
            return StateError(
                f"{where}: the user may not do that ({why}); it must own the database, or have "
                "CREATE on its schema"
            )
        case pg.DiskFull() | pg.OutOfMemory():
            return OutOfReach(
                f"{where}: the server is out of space ({why}); nothing was stored. Free some: it "
                "goes on by itself"
            )
        case pg.ReadOnlySqlTransaction():
            return StateError(f"{where}: the database is read-only; name the primary in `state:`")
        case pg.TooManyConnections():
            return OutOfReach(
                f"{where}: the server takes no more connections; raise max_connections or run "
                "fewer workers"
            )
        case pg.DataCorrupted() | pg.IndexCorrupted():
            return StateError(f"{where}: the database is damaged ({why}); restore a backup")
        case TimeoutError() | asyncio.TimeoutError():
            return OutOfReach(f"{where}: the database did not answer in time")
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return OutOfReach(
                f"{where}: can't reach the database ({why}); check that it runs and that `state:` "
                "names it"
            )
    return Refused(f"{where}: the database refused ({why})")
