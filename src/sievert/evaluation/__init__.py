"""How good a bundle is, told with intervals, by corpus, by policy, by language, by whom it names.

Takes: labelled texts, a bundle.
Gives: reports, tables, the model card.
Never: acts on a platform; scores by anything but the functions that serve.
"""
