"""The map of SGD: where its steps lead, and the density that they leave as it is."""
