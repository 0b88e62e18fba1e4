"""What happened to posts and accounts: integers that only grow, facts, authors, and the log of events."""
