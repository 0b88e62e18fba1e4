"""What people shall look at, and in which order.

Takes: decisions.
Gives: cases.
Never: calls enforcement.
"""
