"""A release of random episodes that the tests of this package share."""

import pytest

from tests.episodes import MemoryRelease, random_episodes


@pytest.fixture(scope="session")
def small_release() -> MemoryRelease:
    """3,600 patients of one phenotype, some 400 per class."""
    return MemoryRelease(random_episodes(3600))
