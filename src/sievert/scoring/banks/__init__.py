"""Hash banks: whether a post's pictures and text are like content that is known.

Start reading at `matching.py`; `parts.py` holds the searches, `index.py` what is searched,
`entries.py` how content becomes an entry, `flood.py` the quarantine, `hunting.py` the way back.
"""
