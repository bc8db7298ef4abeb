"""What a client of OPC UA sees of a line.

    python3 opcua.py URL                 # open to this machine: variables, a subscription, the method
    python3 opcua.py URL secured PKI     # with a user and certificates
"""

import asyncio
import math
import shutil
import socket
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from asyncua import Client, ua
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from cryptography.x509.oid import ExtendedKeyUsageOID

NAMESPACE = "urn:efficientad:station"


class Changes:
    def __init__(self):
        self.seen = asyncio.Queue()

    def datachange_notification(self, node, value, data):
        self.seen.put_nowait(value)


async def open_to_this_machine(url):
    async with Client(url) as client:
        index = await client.get_namespace_index(NAMESPACE)
        line = await client.nodes.objects.get_child(f"{index}:lids")
        names = [(await child.read_browse_name()).Name for child in await line.get_children()]
        read = {}
        for name in names:
            if name != "Trigger":
                read[name] = await (await line.get_child(f"{index}:{name}")).read_value()
        number = read["Sequence"] - 1
        assert number >= 7 and read["Good"] + read["Anomalous"] == number, read
        assert read["Ready"] is True and read["Lost"] is False
        assert read["Verdict"] == ("anomalous" if number % 10 >= 5 else "good")
        assert read["Reject"] == read["RejectNow"] == (number % 10 >= 5)
        assert math.isclose(read["Score"], number % 10 / 10, rel_tol=1e-6) and read["Threshold"] == 0.5
        assert len(read["LastId"]) == 32 and read["Photo"] == f"lids/{number}" and read["Model"] == "ab" * 32
        assert abs(datetime.now(timezone.utc).replace(tzinfo=None) - read["Captured"].replace(tzinfo=None)) < timedelta(minutes=9)
        changes = Changes()
        subscription = await client.create_subscription(100, changes)
        await subscription.subscribe_data_change(await line.get_child(f"{index}:Sequence"))
        first = await asyncio.wait_for(changes.seen.get(), 60)
        assert await asyncio.wait_for(changes.seen.get(), 60) > first, "the next verdict"
        await line.call_method(f"{index}:Trigger")
        try:
            await (await line.get_child(f"{index}:Ready")).write_value(False)
        except ua.UaError:
            pass
        else:
            raise AssertionError("a variable was written")


async def is_let_in(url, password, folder, certificate, key):
    client = Client(url)
    client.application_uri = f"urn:{socket.gethostname()}:client"
    await client.set_security(SecurityPolicyBasic256Sha256, certificate=str(certificate), private_key=str(key))
    client.set_user("plc")
    client.set_password(password)
    try:
        async with client:
            await client.nodes.objects.get_children()
    except (ua.UaError, ConnectionError, asyncio.TimeoutError, asyncio.CancelledError):
        return False
    return True


async def secured(url, pki):
    folder = pki.parent
    certificate, key = folder / "client.der", folder / "client.pem"
    host = socket.gethostname()
    await setup_self_signed_certificate(
        key, certificate, f"urn:{host}:client", host, [ExtendedKeyUsageOID.CLIENT_AUTH], {"commonName": "client"}
    )
    try:
        async with Client(url):
            raise AssertionError("anybody was let in")
    except (ua.UaError, ConnectionError, asyncio.TimeoutError):
        pass
    assert not await is_let_in(url, "right", folder, certificate, key), "its certificate is not trusted yet"
    trusted = pki / "trusted"
    trusted.mkdir(exist_ok=True)
    for rejected in (pki / "rejected").iterdir():
        shutil.move(rejected, trusted)
    assert not await is_let_in(url, "wrong", folder, certificate, key), "a wrong password"
    assert await is_let_in(url, "right", folder, certificate, key)


if __name__ == "__main__":
    asyncio.run(secured(sys.argv[1], Path(sys.argv[3])) if len(sys.argv) > 2 else open_to_this_machine(sys.argv[1]))
