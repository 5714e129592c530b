"""Running a user's own program, unmodified: what it is, where it runs, and what it found."""
