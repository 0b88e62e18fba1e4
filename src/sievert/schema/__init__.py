"""The nouns of Sievert, as frozen records and their columnar twins.

Takes: nothing.
Gives: records that every room speaks, the taxonomy table, the clock.
Never: imports another room.
"""
