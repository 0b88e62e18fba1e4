"""What the guardrail keeps: crossings, attempts, audits, certificates and the ledger."""
