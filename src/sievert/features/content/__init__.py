"""What a post's own text says: folded for evasion, beside the raw text, and hashed."""
