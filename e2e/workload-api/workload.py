"""A workload that knows nothing of Xebec: what Python's spiffe library makes of the Workload API at SOCKET.

Usage: workload.py SOCKET COMMAND [ARGUMENT…]; prints one JSON object.
"""

import http.client
import json
import ssl
import sys
import tempfile
import threading
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from spiffe import WorkloadApiClient

TIMEOUT = 10


def fetch(client):
    context = client.fetch_x509_context(timeout=TIMEOUT)
    svid = context.default_svid
    bundles = client.fetch_x509_bundles(timeout=TIMEOUT)
    jwt_bundles = client.fetch_jwt_bundles(timeout=TIMEOUT)
    return {
        "id": str(svid.spiffe_id),
        "chain": len(svid.cert_chain),
        "serial": format(svid.leaf.serial_number, "x"),
        "bundles": {str(b.trust_domain): len(b.x509_authorities) for b in bundles.bundles},
        "context_bundles": sorted(str(b.trust_domain) for b in context.x509_bundle_set.bundles),
        "jwt_bundles": {str(b.trust_domain): len(b.jwt_authorities) for b in jwt_bundles.bundles},
    }


def token(client, audience):
    svid = client.fetch_jwt_svid(audience={audience}, timeout=TIMEOUT)
    return {"id": str(svid.spiffe_id), "audience": sorted(svid.audience), "token": svid.token}


def validate(client, text, audience):
    """By the Workload API, and again by the library itself with the bundles that it fetched."""
    remote = client.validate_jwt_svid(token=text, audience=audience, timeout=TIMEOUT)
    bundles = client.fetch_jwt_bundles(timeout=TIMEOUT)
    bundle = bundles.get_bundle_for_trust_domain(remote.spiffe_id.trust_domain)
    from spiffe import JwtSvid

    local = JwtSvid.parse_and_validate(text, bundle, {audience})
    return {"remote": str(remote.spiffe_id), "local": str(local.spiffe_id)}


def rotations(client, count):
    serials, enough, failure = [], threading.Event(), []

    def arrived(context):
        serial = format(context.default_svid.leaf.serial_number, "x")
        if serial not in serials:
            serials.append(serial)
        if len(serials) >= count:
            enough.set()

    def failed(error):
        failure.append(str(error))
        enough.set()

    handler = client.stream_x509_contexts(arrived, failed)
    enough.wait(30)
    handler.cancel()
    return {"serials": serials, "failure": failure}


def call(client, port, with_identity):
    """One request over TLS; the server's name is its SPIFFE ID, which is checked by hand."""
    context = client.fetch_x509_context(timeout=TIMEOUT)
    svid = context.default_svid
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    roots = [root for bundle in context.x509_bundle_set.bundles for root in bundle.x509_authorities]
    tls.load_verify_locations(cadata="".join(root.public_bytes(Encoding.PEM).decode() for root in roots))
    with tempfile.TemporaryDirectory() as directory:
        chain, key = Path(directory, "chain.pem"), Path(directory, "key.pem")
        svid.save(str(chain), str(key), Encoding.PEM)
        if with_identity:
            tls.load_cert_chain(chain, key)
    connection = http.client.HTTPSConnection("127.0.0.1", int(port), context=tls, timeout=TIMEOUT)
    try:
        connection.connect()
        names = [value for kind, value in connection.sock.getpeercert()["subjectAltName"] if kind == "URI"]
        connection.request("GET", "/", headers={"x-forwarded-client-cert": "URI=spiffe://forged/admin"})
        response = connection.getresponse()
        return {"status": response.status, "server": names, "headers": json.loads(response.read())}
    except (ssl.SSLError, ConnectionError, http.client.HTTPException) as error:
        return {"refused": type(error).__name__}


COMMANDS = {
    "fetch": fetch,
    "token": token,
    "validate": validate,
    "rotations": lambda client, count: rotations(client, int(count)),
    "call": lambda client, port: call(client, port, True),
    "call-without": lambda client, port: call(client, port, False),
}

if __name__ == "__main__":
    _, socket, command, *arguments = sys.argv
    try:
        with WorkloadApiClient(f"unix://{socket}") as workload:
            answer = COMMANDS[command](workload, *arguments)
    except Exception as error:  # the test reads what went wrong
        answer = {"error": f"{type(error).__name__}: {error}", "cause": str(error.__cause__ or "")}
    print(json.dumps(answer))
