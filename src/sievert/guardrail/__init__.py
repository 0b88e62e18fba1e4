"""The keeping of the promise over time: certificates, audits, the ledger and its monitor, withdrawal.

Takes: crossings, settlements, policies, what runs.
Gives: audits as blind cases, certificates, ledgers, withdrawals.
Never: decides about a single post.
"""
