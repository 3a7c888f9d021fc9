"""The Avatar method: each record of a table replaced by a random mixture of its nearest others."""

from reference_db.avatar.avatarize import REFERENCE, RELEASE, Avatars, Method, avatarize, make_avatars

__all__ = ["REFERENCE", "RELEASE", "Avatars", "Method", "avatarize", "make_avatars"]
