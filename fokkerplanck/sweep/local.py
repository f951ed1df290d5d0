"""Worker processes of this machine that may die at any moment."""

from __future__ import annotations

from typing import Any

from distributed import LocalCluster


class LocalWorkers(LocalCluster):
    """Dask's local cluster, whose watch over its workers survives one that died unannounced.

    The death of a worker that is gone before the scheduler has told of it is a ``KeyError`` in
    Dask (2026.8): it ends the watch, and is raised once more when the cluster is closed.
    """

    def _update_worker_status(self, op: str, msg: Any) -> None:
        if op != "remove" or msg in self.scheduler_info["workers"]:
            super()._update_worker_status(op, msg)
