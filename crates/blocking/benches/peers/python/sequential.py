"""Reads a count from each line of stdin and asks the hub (first argument) so many times for its
version. Prints the elapsed time and the CPU time in nanoseconds."""

import asyncio
import sys
import time

from client.host_client import HostClient

host = HostClient(sys.argv[1])


async def versions(times):
    begin, cpu = time.perf_counter_ns(), time.process_time_ns()
    for _ in range(times):
        if not (await host.get_version())["version"]:
            raise ValueError("no version")
    print(time.perf_counter_ns() - begin, time.process_time_ns() - cpu, flush=True)


for line in sys.stdin:
    asyncio.run(versions(int(line)))
