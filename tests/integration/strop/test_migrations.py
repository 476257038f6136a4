"""The migrations and the models must describe the same tables."""

from alembic import command
from alembic.config import Config

from tests.conftest import ROOT


def test_migrations_make_exactly_the_tables_of_the_models(template: str) -> None:
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("sqlalchemy.url", template.replace("%", "%%"))

    command.check(config)  # raises and lists the differences
