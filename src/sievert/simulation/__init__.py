"""A synthetic social network whose truth is known, and the views that would have been without us.

Takes: settings, a seed, a writer of texts.
Gives: posts, events and labels step by step, the truth about each post, views with and without enforcement.
Never: is imported by what serves; reads a clock.
"""
