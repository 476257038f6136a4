"""Judges a rollout by what devices count: those on the new model against those on the old one. Pure.

`counts` holds what a device has counted, `measures` makes a number of it, `contrast` compares the changes of two groups of
devices, `audits` compares labelled audits, and `checks` has the list of checks and their verdicts.
"""
