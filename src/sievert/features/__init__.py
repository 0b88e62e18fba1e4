"""Posts become numbers, by definitions that training and serving share.

Takes: texts as columns, events, edges.
Gives: hashed n-grams and content facts, behaviour rows, neighbourhoods, the same in training and in serving.
Never: sees an event later than the time it is asked for; imports torch.
"""
