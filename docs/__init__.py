"""The documentation: pages, the data of some of them, and what generates the rest."""
