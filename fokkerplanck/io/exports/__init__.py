"""Result files for other programs."""
