"""Transfer operators of short steps: characteristics, noise along its own directions, remeshing."""
