"""Decides which capture is worth an upload and a label."""
