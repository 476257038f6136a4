"""Fine-tuning the last stages of a backbone: the trunk's activations, the tail in PyTorch, the loop, and the delta that is shipped.

`tail` and `loop` import PyTorch, the optional extra `finetune`; nothing else does.
"""
