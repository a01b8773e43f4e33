"""Certificates for the tests' servers, good and bad: `certificates.py FOLDER`.

Each NAME.pem holds a key and the chain of its certificate; `ca.pem` is the authority of all but
`stranger` and `selfsigned`.
"""

import datetime
import pathlib
import sys

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

folder = pathlib.Path(sys.argv[1])
NAMES = ("localhost", "127.0.0.1")
NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


def write(name, certificate):
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / f"{name}.pem"))


def self_signed(name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAMES[0])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + 30 * DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAMES[0])]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    content = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(pem)
    (folder / f"{name}.pem").write_bytes(content)


authority = trustme.CA()
authority.cert_pem.write_to_path(str(folder / "ca.pem"))
write("good", authority.issue_cert(*NAMES))
write("wrongname", authority.issue_cert("elsewhere.example"))
write("expired", authority.issue_cert(*NAMES, not_after=NOW - DAY))
write("stranger", trustme.CA().issue_cert(*NAMES))
self_signed("selfsigned")
