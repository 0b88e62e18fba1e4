"""What people shall look at, and in which order.

Takes: decisions.
Gives: cases, within a budget an hour.
Never: calls enforcement.
"""
