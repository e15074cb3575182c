"""Asks the hub at the URL in its argument for the version."""

import asyncio
import sys

from client.host_client import HostClient

print(asyncio.run(HostClient(sys.argv[1]).get_version())["version"])
