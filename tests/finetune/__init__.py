"""Tests that need PyTorch, the extra `finetune`: `make finetune-test`."""
