"""First passage: targets, committors, arrival times, escape and Eyring-Kramers rates."""
