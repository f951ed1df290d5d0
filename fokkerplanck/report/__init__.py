"""A result in words: rows, texts, pages, comparisons."""
