"""`python -m sievert` is the `sievert` command."""

from sievert.cli import main

main()
