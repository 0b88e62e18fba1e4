"""A simulated network whose truth is known: who posts what, who sees it, and what happens then.

Takes: a seed, sizes, parameters of the world; if wanted a labelled corpus and a folder of pictures.
Gives: posts, pictures and events as a platform would tell them, and the truth beside them.
Never: decides anything; reads a clock or a random number that was not passed in.
"""
