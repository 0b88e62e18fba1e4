"""Cases that wait, who has them, what was found, and what came of it."""
