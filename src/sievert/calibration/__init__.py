"""Logits become probabilities that mean what they say, at natural prevalence.

Takes: logits, labels with weights, a prevalence.
Gives: calibrators, and probabilities.
Never: imports torch.
"""
