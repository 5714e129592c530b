"""A certificate authority of this machine alone, and the vendor's names certified by it.

Programs that are told to trust its file reach the gateway under the vendor's own address. What belongs here: the
authority's files and the server's side of TLS. What does not: who is told to trust it. Its key never leaves the folder,
which only its owner can read.
"""

import errno
import os
import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scan_pipeline.errors import ScanPipelineError

#: The names that the gateway answers to.
NAMES = ("api.polygon.io", "api.massive.com", "*.polygon.io", "*.massive.com", "localhost", "127.0.0.1")
#: How long a server's certificate is good for, and so long an authority must last to be of use.
LASTS = timedelta(days=30)
#: The authority's key and certificate, in one file, and its certificate alone.
SECRET, PUBLIC = "authority.pem", "ca.pem"


@dataclass(frozen=True)
class Authority:
    """A local certificate authority. `ca_file` is what a client is told to trust; `secret_file` stays with us."""

    ca_file: Path
    secret_file: Path

    @classmethod
    def at(cls, folder: Path) -> "Authority":
        """The authority kept in `folder`; made where there is none, or none that is of use for a while yet.

        Raises ScanPipelineError where the folder cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
            # The number is chosen before looking: what another process makes meanwhile is seen, or takes the name.
            number = 1 + max((int(one.name) for one in folder.iterdir() if one.name.isdecimal()), default=0)
            kept = _newest(folder)
            if kept is None:
                _make(folder, number)
                kept = _newest(folder)
        except OSError as error:
            raise ScanPipelineError(
                f"The certificates for scripts cannot be kept in {folder}: {error.strerror or error}. "
                "Make it writable, or delete it."
            ) from error
        if kept is None:
            raise ScanPipelineError(f"The certificates in {folder} cannot be read back. Delete the folder.")
        return cls(kept / PUBLIC, kept / SECRET)

    def server_context(self) -> ssl.SSLContext:
        """The server's side of TLS, with a fresh certificate for the vendor's names and this machine's own."""
        import trustme

        secret = self.secret_file.read_bytes()
        authority = trustme.CA.from_pem(cert_bytes=self.ca_file.read_bytes(), private_key_bytes=secret)
        certificate = authority.issue_cert(*NAMES, not_after=datetime.now(UTC) + LASTS)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        certificate.configure_cert(context)
        return context


def _make(folder: Path, number: int) -> None:
    """A new authority in a folder of its own: written aside, then renamed to the number.

    Of two processes that do so at once one is refused the name: both go on with what the other has made.
    """
    import trustme

    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as aside:
        made = Path(aside) / "made"
        made.mkdir(mode=0o700)
        authority = trustme.CA(organization_name="scan_pipeline", organization_unit_name="this machine's scripts")
        for name, content in ((PUBLIC, authority.cert_pem), (SECRET, authority.private_key_pem)):
            with os.fdopen(os.open(made / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(content.bytes())
        try:
            made.rename(folder / f"{number:06d}")
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise


def _newest(folder: Path) -> Path | None:
    """The newest authority that can be read and lasts a while yet."""
    for kept in sorted((one for one in folder.iterdir() if one.name.isdecimal()), reverse=True):
        if _is_good(kept):
            return kept
    return None


def _is_good(kept: Path) -> bool:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        certificate = x509.load_pem_x509_certificate((kept / PUBLIC).read_bytes())
        key = load_pem_private_key((kept / SECRET).read_bytes(), password=None)
    except (OSError, ValueError):
        return False
    lasts = certificate.not_valid_after_utc - datetime.now(UTC)
    return lasts > LASTS and certificate.public_key() == key.public_key()
