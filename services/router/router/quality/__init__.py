"""Live accuracy: what a model gets right in the field, from labelled audits and the counts of all devices.

`docs/quality.md` describes the estimates, their assumptions and their sources.
"""
