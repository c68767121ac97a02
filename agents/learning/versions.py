"""Which versions of a trainer an adapter fits: their interfaces change from one minor version to the next."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from credit_gym.errors import MissingExtraError, missing_extra


def require_version(package: str, least: tuple[int, int], below: tuple[int, int], extra: str) -> None:
    """Refuse a version that the adapter was not made for.

    Args:
        package: name of the distribution.
        least: first (major, minor) that fits.
        below: first (major, minor) that does not fit any more.
        extra: the extra of credit-gym that installs it.

    Raises:
        MissingExtraError: the package is not installed, or its version does not fit.
    """
    try:
        installed = version(package)
    except PackageNotFoundError:
        raise missing_extra(package, extra) from None
    major, minor = (int(part) for part in (*installed.split("."), "0")[:2])
    if not least <= (major, minor) < below:
        first, last = (".".join(map(str, bound)) for bound in (least, below))
        raise MissingExtraError(
            f"{package} {installed} is installed, but this adapter fits {first} up to {last}: "
            f'pip install "{package}>={first},<{last}".'
        )
