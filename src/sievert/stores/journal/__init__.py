"""The journal: the durable record of every decision, and the answer to "have we seen this?"."""
