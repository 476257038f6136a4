"""The migrations are one line, so that a database has one way to the newest schema."""

from alembic.config import Config
from alembic.script import ScriptDirectory

from tests.conftest import ROOT


def test_migrations_have_one_head_and_are_numbered_in_order() -> None:
    script = ScriptDirectory.from_config(Config(ROOT / "alembic.ini"))
    line = [each.revision for each in script.walk_revisions()]

    assert len(script.get_heads()) == 1
    assert line == sorted(line, reverse=True)
