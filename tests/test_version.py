"""The package says the version that it is installed as."""

from importlib.metadata import version

import pillarbox


def test_package_and_distribution_agree_on_the_version() -> None:
    """`pillarbox.__version__` is what the installed distribution says."""
    assert version("pillarbox") == pillarbox.__version__
