"""A bundle scores a batch: light model on everything, heavy model on the few, calibrators.

Takes: texts as columns, a bundle.
Gives: calibrated probabilities at natural prevalence, the language, the stage that spoke last.
Never: decides anything; imports torch.
"""
