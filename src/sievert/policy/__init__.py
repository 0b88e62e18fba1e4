"""The rules that turn probabilities into decisions, and the files that state them.

Takes: posts with probabilities and forecasts, policies with rules and lists, certificates, labelled samples.
Gives: decisions with reasons; what a change of a policy would do; thresholds that labels prove.
Never: reads a clock, a database or a random number: the same input gives the same output.
"""
