"""The rules that turn probabilities into decisions, and the files that state them.

Takes: probabilities, forecasts, policies, certificates; labelled samples of the past.
Gives: decisions with reasons; what a change of a policy would do; thresholds that labels prove.
Never: reads a clock, a database or a random number: the same input gives the same output.
"""
