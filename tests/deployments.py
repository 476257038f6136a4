"""Empty deployments on the servers of the session: each has its own database, bucket and queues."""

import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from strop.settings import Settings
from tests import brokers, roles

_numbers = itertools.count()


@asynccontextmanager
async def empty(template: str, broker: brokers.Address) -> AsyncIterator[Settings]:
    """Make one from the URL of a migrated database; `roles.arranging` has the owner's sessions."""
    name = f"test{os.getpid()}n{next(_numbers)}"
    base, _, source = template.rpartition("/")
    admin = await asyncpg.connect(f"{base}/postgres")
    await admin.execute(f'create database "{name}" template "{source}"')
    own = {"bucket": name, "queue_prefix": name, "mqtt_client_id": name}
    url = f"{base}/{name}"
    async with roles.owner_of(url):
        yield Settings.model_validate(
            {"database_url": url, "mqtt_url": broker.url, "mqtt_shared": broker.shared, **own}
        )
    await admin.execute(f'drop database "{name}" with (force)')
    await admin.close()
