"""What leads to a creator, where it rests, and how it is erased there."""
