"""Hypothesis: the same examples in every run, and no stopwatch, because test machines are busy."""

import hypothesis

hypothesis.settings.register_profile("strop", deadline=None, derandomize=True, database=None, max_examples=60)
hypothesis.settings.load_profile("strop")
