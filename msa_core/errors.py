"""Errors a user can cause and repair: every message says what, the value seen and the way out."""


class MsaError(Exception):
    """Base of all expected errors; also raised directly for bad arguments and corpora."""


class MediaError(MsaError):
    """A file that cannot be opened, decoded or accepted as a clip."""


class FeatureError(MsaError):
    """Weights or features that are missing, altered, non-finite or of the wrong shape."""


class CheckpointError(MsaError):
    """A checkpoint that is unknown, altered, incomplete or bound to another feature set."""
