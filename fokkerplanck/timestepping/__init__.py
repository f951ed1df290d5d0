"""From one output time to the next: steppers, schemes in space, flux correction."""
