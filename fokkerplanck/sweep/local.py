"""Worker processes of this machine that may die at any moment."""

from __future__ import annotations

from typing import Any

from distributed import LocalCluster, Nanny


class LocalWorkers(LocalCluster):
    """Dask's local cluster, whose watch over its workers survives one that died unannounced.

    The death of a worker that is gone before the scheduler has told of it is a ``KeyError`` in
    Dask (2026.8): it ends the watch, and is raised once more when the cluster is closed.
    """

    def _update_worker_status(self, op: str, msg: Any) -> None:
        if op != "remove" or msg in self.scheduler_info["workers"]:
            super()._update_worker_status(op, msg)


class LocalNanny(Nanny):
    """Dask's nanny, whose ``env`` holds for libraries that a worker loads before it hears of it.

    Dask sets ``env`` in the new process after numpy and the calling script were imported. What has
    to be there before goes through the environment of this process, where the caller's own
    value would win. numba looks again when it compiles, and so in this process: it is left out.
    """

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        early = {name: value for name, value in self.env.items() if not name.startswith("NUMBA_")}
        self.pre_spawn_env.update(early)
