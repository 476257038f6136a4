"""The fixtures of the command's tests: a platform that runs, its environment, and commands."""

from tests.integration.cli.conftest import env, state, strop, tree

__all__ = ["env", "state", "strop", "tree"]
