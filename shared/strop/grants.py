"""A PostgreSQL role per service, with the grants that `services` declares: it writes its own tables, and reads what it needs.

Roles belong to the whole database server, grants to one database of it. The owner of the tables makes both, after each
migration. It needs the attribute CREATEROLE, or roles that exist already.
"""

import hashlib
import hmac

from sqlalchemy import Connection, make_url, text

from strop_contracts import services

WRITE = "select, insert, update, delete"


def password(owner_url: str, role: str) -> str | None:
    """Return a role's password, derived from the owner's; None if the owner signs in without one.

    It reveals neither the owner's password nor that of another role, and needs no storage of its own.
    """
    secret = make_url(owner_url).password
    return hmac.digest(str(secret).encode(), role.encode(), hashlib.sha256).hex() if secret else None


def url(owner_url: str, role: str) -> str:
    """Return the address of the owner's database for a role; that of the owner if there is no password to derive from."""
    secret = password(owner_url, role)
    if secret is None:
        return owner_url
    return make_url(owner_url).set(username=role, password=secret).render_as_string(hide_password=False)


def apply(connection: Connection, owner_url: str) -> None:
    """Make the roles that are missing, set their passwords and replace their grants; idempotent. The caller commits."""
    # Two setups of one database server would update the same roles at once.
    connection.execute(text("select pg_advisory_xact_lock(hashtextextended('strop: grants', 0))"))
    existing = set(connection.scalars(text("select rolname from pg_roles where rolname like 'strop!_%' escape '!'")))
    for service in services.ALL:
        role = service.role
        if role not in existing:
            connection.execute(text(f"create role {role}"))
        if secret := password(owner_url, role):
            connection.execute(text(f"alter role {role} login password '{secret}'"))
        connection.execute(text(f"grant {role} to current_user"))  # a process with the owner's address runs as the role
        for statement in statements(service):
            connection.execute(text(statement))


def statements(service: services.Service) -> list[str]:
    """Return the statements that leave a service's role with its declared grants alone."""
    return [
        f"revoke all on all tables in schema public from {service.role}",
        f"grant {WRITE} on {_names(service.writes)} to {service.role}",
        f"grant insert on {_names(service.appends)} to {service.role}",
        *([f"grant select on {_names(service.reads)} to {service.role}"] if service.reads else []),
    ]


def _names(granted: services.Tables) -> str:
    return ", ".join(table.__tablename__ for table in granted)
