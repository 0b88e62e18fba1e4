"""Who is joined to whom on a platform, as of any time, and what of that a model of creators looks at."""
