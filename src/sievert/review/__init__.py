"""What people shall look at, in which order, and what their verdicts come to.

Takes: decisions, appeals, verdicts.
Gives: cases in order, settlements, error rates of reviewers, rows to learn from.
Never: calls enforcement; tells a blind judge what others found.
"""
