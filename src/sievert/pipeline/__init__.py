"""The whole path of a batch of posts: start reading at `path.py`.

Takes: posts as bytes, a bundle, policies, stores, a clock.
Gives: durable decisions, and answers in the order of the input.
Never: knows HTTP.
"""
