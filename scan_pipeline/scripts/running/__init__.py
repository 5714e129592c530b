"""Running a script: its surroundings, the process that watches over it, what runs inside its Python (`runtime/`)."""
