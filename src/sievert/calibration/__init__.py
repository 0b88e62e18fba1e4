"""Logits become probabilities that mean what they say, at natural prevalence.

Takes: scores, labels with weights, a prevalence or unlabelled traffic that tells it, groups.
Gives: calibrators as plain arrays, pairs of probabilities that say how little is known, corrections by group.
Never: imports torch, SciPy or scikit-learn; fits to a balanced sample as if it were traffic.
"""
