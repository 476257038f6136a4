"""The device agent of Strop: classify, choose, spool, upload, swap models. It needs nothing of the cloud's code."""

__version__ = "0.1.0"
