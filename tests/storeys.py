"""Three storeys of the suite, by files; one that stands in neither list is on the first.

- unit: each test takes well below a second; `make check` runs them.
- numerics: orders, exact laws and invariants, walkers and their statistics.
- system: command line, files, kills, processes, figures.
"""

_NUMERICS = """
test_backward test_control test_currents test_cycles test_deficient_noise test_extremes
test_gallery test_high_order test_high_orders test_invariants test_kernels test_levy test_modified
test_multilevel test_orders test_particles test_particles_laws test_particles_random test_run
test_run_accuracy test_seams test_semi_lagrangian test_smoothing test_spectrum test_spectrum_case
test_stationary test_steppers test_time_dependence test_transfer_memory test_transit
test_validation_calibration test_walkers test_walkers_at_sides
"""
_SYSTEM = """
test_bad_cases test_cli test_damaged_files test_examples test_export test_files
test_foreign_folder test_fuzz test_hostile_files test_layers test_made test_origin
test_particles_uncompiled test_plots test_plots_control test_plots_labels test_plots_walkers
test_readme test_store_power test_store_resume test_survival test_sweep test_sweep_members
test_sweep_workers test_threads test_tree test_walkers_resume test_zoomable
"""
NUMERICS, SYSTEM = frozenset(_NUMERICS.split()), frozenset(_SYSTEM.split())


def storey_of(name: str) -> str:
    """The storey of a file of tests, given by its name without the suffix."""
    return "numerics" if name in NUMERICS else "system" if name in SYSTEM else "unit"
