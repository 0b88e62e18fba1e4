"""Decisions and settlements become actions that can be undone, and signed messages that offer them.

Takes: decisions, settlements.
Gives: actions, and the messages about them.
Never: drops an action silently; touches a platform itself.
"""
