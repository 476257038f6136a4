"""The demo: the whole loop on one machine, with a simulated fleet and, by default, a simulated labeler.

`run` has the steps in their order; `images` prepares what the cameras will see; `fleet` runs the agents in a process of
their own; `labeler` answers over the same HTTP API as people do; `ledger`, one folder up, counts what was lost or doubled.
"""
