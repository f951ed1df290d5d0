"""Figures of first passage: mean times, committors, arrival, escape."""
