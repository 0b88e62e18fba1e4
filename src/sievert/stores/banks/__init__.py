"""Banks of hashes: their names and rules, their entries, and a number that tells when they changed."""
