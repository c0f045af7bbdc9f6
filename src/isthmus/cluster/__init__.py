"""What runs on a Ray cluster: a fit on its workers, scores of folders of Parquet files, and the service."""

from isthmus.cluster.training import Ray as Ray

__all__ = ["Ray"]
