"""Sievert finds harmful posts on a social platform and acts on them.

People shall see as little harm as possible, without the removal of what is not harmful.
Start reading at `sievert.pipeline.path`: the whole path of a batch of posts in one function.
"""

__version__ = "0.1.0"
