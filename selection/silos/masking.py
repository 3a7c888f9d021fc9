"""Answers under masks that cancel in the total: a hub learns the sum over silos, and of one silo's answer nothing.

Every two silos share a secret, from which both draw the same mask for a question; one adds it and the other takes it
away. Numbers are fixed-point, so that sums modulo 2^64 are exact and a masked answer is uniform whatever it holds.

Masks are drawn for the *content* of a question (the roster, the standard, the patient of interest, the radii), never
for a number that the hub chose. Whoever asks silos different questions in one round gets masks that do not cancel,
and whoever asks the same again gets the same answer under the same mask: no mask ever hides two different answers.

Keys are made anew by every silo at its start. The hub passes public keys on, and could pass on keys of its own:
those who run silos compare `Masks.fingerprint` by another way. All silos but one, together with the hub, can take
what is theirs from the total and see that one's answer: so it follows the small-cell rule by itself (`rule`), and at
least `FEWEST_SILOS` are needed.

Bonawitz et al., Practical secure aggregation for privacy-preserving machine learning, CCS 2017, doi
10.1145/3133956.3133982, without its recovery of silos that drop out: one that does not answer ends the question.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from numpy.typing import NDArray

from selection.silos.messages import Floats, SiloError

Words = NDArray[np.uint64]

FEWEST_SILOS = 3
"""Of two, each would know the other's answer from the total."""

FRACTION_BITS = 32
"""Sums are told to 2^-32: what is left over is some 1e-12 of a mean over a hundred patients."""

_LARGEST = 2.0 ** (63 - FRACTION_BITS)
_KEY = 32


class Masks:
    """The keys of one silo, and the masks that it shares with the others.

    Attributes
    ----------
    public : bytes
        Public key, to be told to the others.
    """

    def __init__(self) -> None:
        self._private = X25519PrivateKey.generate()
        self.public = self._private.public_key().public_bytes_raw()
        self._roster: tuple[bytes, ...] = ()
        self._shared: list[tuple[bool, bytes]] = []

    @property
    def fingerprint(self) -> str:
        """Short name of the roster that was joined: the same in every silo, or somebody put in another key."""
        return hashlib.sha256(b"".join(self._roster)).hexdigest()[:32]

    def join(self, roster: Sequence[bytes], *, fewest: int = FEWEST_SILOS) -> None:
        """Agree on a secret with every other silo, once.

        Parameters
        ----------
        roster : sequence of bytes
            Public keys of all silos, this one's among them.
        fewest : int
            Of how many silos a total may be told.

        Raises
        ------
        SiloError
            Too few or the same twice, without this silo, not a key, or another roster than before.
        """
        ordered = tuple(sorted(roster))
        if self._roster and ordered != self._roster:
            raise SiloError("this silo answers with others already: start it anew to answer with different ones")
        if len(set(ordered)) != len(ordered) or self.public not in ordered:
            raise SiloError("the roster must name every silo once, and the one that is asked")
        if len(ordered) < fewest:
            raise SiloError(f"a total over {len(ordered)} silos tells one what the other has: {fewest} are needed")
        others = [key for key in ordered if key != self.public]
        try:
            secrets = [self._private.exchange(X25519PublicKey.from_public_bytes(key)) for key in others]
        except ValueError as error:
            raise SiloError("the roster holds what is no public key") from error
        context = b"ms-cdss silos" + b"".join(ordered)
        self._shared = [
            (self.public < key, HKDF(SHA256(), _KEY, None, context).derive(secret))
            for key, secret in zip(others, secrets, strict=True)
        ]
        self._roster = ordered

    def masked(self, content: bytes, values: Floats) -> Words:
        """Return numbers as the hub may see them.

        Parameters
        ----------
        content : bytes
            Everything on which the numbers depend, apart from the patients; `content_of` makes it.
        values : ndarray, shape (n,)

        Returns
        -------
        ndarray of uint64, shape (n + 1,)
            The last tells `total` that all silos have answered the same question.

        Raises
        ------
        SiloError
            No roster was joined, or a number is none or so large that the total could be wrong.
        """
        if not self._roster:
            raise SiloError("this silo was not told with which others it answers")
        bound = _LARGEST / len(self._roster)
        if not (np.abs(values) < bound).all():
            raise SiloError(f"a sum is no number or beyond {bound:.3g}: the total could not be told")
        answer = np.round(np.append(values, 1.0) * 2.0**FRACTION_BITS).astype(np.int64).view(np.uint64)
        for added, shared in self._shared:
            key = HKDFExpand(SHA256(), _KEY, content).derive(shared)
            # A key is used for one stream only, so nonce and counter may begin at nought.
            stream = Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor().update(bytes(answer.nbytes))
            mask = np.frombuffer(stream, dtype="<u8")
            answer = answer + mask if added else answer - mask
        return answer


def content_of(kind: str, *parts: Floats) -> bytes:
    """Return what masks are drawn for: the digest of a kind of question and of all that it says."""
    digest = hashlib.sha256(kind.encode())
    for part in parts:
        digest.update(f"|{part.shape}|".encode())
        digest.update(np.ascontiguousarray(part, dtype="<f8").tobytes())
    return digest.digest()


def total(answers: Sequence[Words]) -> Floats:
    """Return the sums over silos, from what `Masks.masked` gave in each.

    Parameters
    ----------
    answers : sequence of ndarray of uint64, shape (n + 1,)

    Returns
    -------
    ndarray of float, shape (n,)

    Raises
    ------
    SiloError
        A silo has not answered, or was asked something else: nothing can be learned then.
    """
    if len({len(answer) for answer in answers}) != 1:
        raise SiloError("silos hold tables of different shapes")
    added: Words = np.sum(answers, axis=0, dtype=np.uint64)
    values: Floats = added.view(np.int64).astype(np.float64) / 2.0**FRACTION_BITS
    if values[-1] != len(answers):
        raise SiloError("answers do not add up: a silo is missing, or was asked another question")
    return values[:-1]
