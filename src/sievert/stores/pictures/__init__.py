"""Pictures that posts showed: what is known about each, and which posts show it."""
