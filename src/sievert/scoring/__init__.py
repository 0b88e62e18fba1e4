"""A bundle scores a batch: light model, calibrators, and the seam for the heavy model.

Takes: texts as columns, a bundle.
Gives: calibrated probabilities at natural prevalence, the language, the stage that spoke last.
Never: decides anything; imports torch.
"""
