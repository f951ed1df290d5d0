"""Formulas of a case: read through an allow-list, differentiated, bounded, evaluated."""
