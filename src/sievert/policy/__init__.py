"""The rules that turn probabilities into decisions, and the files that state them.

Takes: posts with their probabilities and forecasts, policies with their rules and lists, certificates.
Gives: decisions with reasons.
Never: reads a clock, a database or a random number: the same input gives the same output.
"""
