"""Files of a case: text, data, results that hold one, cases that come with the package."""
