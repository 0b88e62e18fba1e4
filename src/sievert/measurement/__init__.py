"""What labelled samples say about traffic, with intervals that say how sure that is.

Takes: labels, scores, weights, the prevalence that traffic has.
Gives: estimates with intervals, tables of calibration, refusals where evidence is missing.
Never: acts; imports torch; prints a balanced metric as a headline.
"""
