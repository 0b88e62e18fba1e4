"""What people did with posts, as numbers: counted once, read live and as of any time in the past."""
