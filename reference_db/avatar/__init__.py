"""The Avatar method: each record of a table replaced by a random mixture of its nearest others."""

from reference_db.avatar.avatarize import Avatars, avatarize, make_avatars
from reference_db.avatar.method import REFERENCE, RELEASE, Method

__all__ = ["REFERENCE", "RELEASE", "Avatars", "Method", "avatarize", "make_avatars"]
