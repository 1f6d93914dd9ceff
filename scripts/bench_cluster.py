"""Measures clusters of `velodrome serve` on loopback. See scripts/bench-cluster, which builds the binary."""

import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

VELODROME, SECONDS = os.path.abspath(sys.argv[1]), int(sys.argv[2])
SCRATCH = os.path.abspath("target/bench-cluster")
HOST = "127.99.1.1" if sys.platform == "linux" else "127.0.0.1"
LIMITS = ["--client-rate", "10000000", "--client-requests", "1000000"]


class Service:
    """A cluster, or one process if it has one node."""

    def __init__(self, nodes, workers, has_certificates=False, late_node=None, arguments=()):
        shutil.rmtree(SCRATCH, ignore_errors=True)
        os.makedirs(SCRATCH)
        self.workers, self.late_node, self.arguments = workers, late_node, arguments
        self.processes = [None] * nodes
        if nodes > 1:
            files = f"{SCRATCH}/cluster"
            subprocess.run(
                [VELODROME, "cluster", "init", "--nodes", str(nodes), "-w", str(workers), "--dir", files],
                check=True, stdout=subprocess.DEVNULL,
            )
            with open(f"{files}/cluster.toml") as file:
                text = file.read().replace("127.0.0.1", HOST)
            with open(f"{files}/cluster.toml", "w") as file:
                file.write(text)
            if not has_certificates:
                os.remove(f"{files}/ca.pem")
        for node in range(nodes):
            self.start(node)
        self.wait_live()

    def url(self, node):
        return f"http://{HOST}:{7070 + node}"

    def start(self, node):
        command = [VELODROME, "serve", "--data", f"{SCRATCH}/data-{node}", "--auth", "off", *LIMITS, *self.arguments]
        command += ["--listen", f"{HOST}:{7070 + node}"]
        if len(self.processes) > 1:
            command += ["--cluster", f"{SCRATCH}/cluster/cluster.toml", "--node", str(node)]
            command += ["--archive", f"{SCRATCH}/archive"]
        else:
            command += ["--workers", str(self.workers)]
        environment = dict(os.environ)
        if node == self.late_node:
            environment |= {"LD_PRELOAD": faketime(), "FAKETIME": "-0.5", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                            "NO_FAKE_STAT": "1"}
        log = open(f"{SCRATCH}/log-{node}", "a")
        self.processes[node] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, env=environment)

    def note(self, node):
        """Why no generation answers reads on a node; empty if one does, `None` if the node does not reply."""
        try:
            with urllib.request.urlopen(self.url(node) + "/readyz", timeout=5) as answer:
                ready = json.load(answer)
        except urllib.error.HTTPError as error:
            ready = json.load(error)
        except OSError:
            return None
        if not ready["ready"]:
            return str(ready["reasons"])
        return next((note for note in ready["notes"] if note.startswith("cluster: ")), "")

    def wait_live(self):
        while any(self.note(node) != "" for node in range(len(self.processes))):
            time.sleep(0.002)

    def logged(self, node, text):
        """The times at which a node logged lines with `text`."""
        with open(f"{SCRATCH}/log-{node}") as file:
            times = [re.match(r"(\S+)Z\s", line) for line in file if text in line]
        return [parse(found[1]) for found in times if found]

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait()


def parse(text):
    seconds, fraction = text.split(".")
    return time.mktime(time.strptime(seconds, "%Y-%m-%dT%H:%M:%S")) - time.timezone + float("0." + fraction)


def faketime():
    return next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)


def simulate(url, *arguments):
    command = [VELODROME, "simulate", "--to", url, "--hours", "24", "--racers", "40000", "--classes", "6"]
    output = open(f"{SCRATCH}/simulate-{url.rsplit(':', 1)[1]}", "w")
    return subprocess.Popen([*command, *arguments], stdout=output, stderr=subprocess.STDOUT)


def end(simulation):
    simulation.send_signal(signal.SIGINT)
    simulation.wait()


def count(service, node):
    """The events that a node has accepted."""
    with urllib.request.urlopen(service.url(node) + "/metrics", timeout=30) as answer:
        text = answer.read().decode()
    found = re.search(r'^velodrome_events_total\{verdict="accepted"\} (\S+)$', text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def post(url, line):
    request = urllib.request.Request(url + "/v1/events", line.encode(), {"content-type": "application/x-ndjson"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["token"]


def small_service():
    """Three nodes with 100,000 events."""
    service = Service(nodes=3, workers=1)
    simulation = simulate(service.url(0), "--rate", "max", "--concurrent", "1000", "--batch", "500")
    while count(service, 0) < 100_000:
        time.sleep(0.05)
    end(simulation)
    time.sleep(1)
    return service


def large_service():
    """Three nodes with 36,000 rides of 300 s by 200,000 racers, sent at 20 times real time."""
    service = Service(nodes=3, workers=1, arguments=["--clock-speed", "20", "--clock-from", str(int(time.time() * 1000))])
    command = ["--rate", "20", "--hours", "0.5", "--concurrent", "6000", "--racers", "200000", "--classes", "6"]
    if subprocess.run([VELODROME, "simulate", "--to", service.url(0), *command]).returncode:
        sys.exit("the simulation failed")
    while '"running"' in get(service, "/v1/races?limit=1000"):
        time.sleep(1)
    records = sum(row["records"] for row in json.loads(get(service, "/v1/classes")))
    print(f"\n{records} records")
    return service


def get(service, path):
    with urllib.request.urlopen(service.url(0) + path, timeout=30) as answer:
        return answer.read().decode()


def measure_kills(name, service, nodes):
    print(f"kill: ms since the kill, of three nodes with {name}")
    print(f"{'node':>6}{'noticed':>10}{'listens':>10}{'formed':>10}{'answers':>10}{'catch-up':>10}")
    for node in nodes:
        survivors = [other for other in range(3) if other != node]
        killed = time.time()
        service.processes[node].kill()
        service.processes[node].wait()
        service.start(node)
        service.wait_live()
        answers = time.time()
        first = lambda nodes, text: min(
            (at for other in nodes for at in service.logged(other, text) if at >= killed), default=answers
        )
        noticed = first(survivors, "the generation ended")
        listens = first([node], "ready")
        formed = max((at for at in service.logged(0, "forms a generation") if at >= killed), default=answers)
        done = max(at for other in range(3) for at in service.logged(other, "answers reads"))
        values = [noticed - killed, listens - killed, formed - killed, done - killed, done - formed]
        print(f"{node:>6}" + "".join(f"{1000 * value:>10.0f}" for value in values), flush=True)
        time.sleep(2)
    service.stop()


def measure_visibility(name, late_node=None):
    service = Service(nodes=3, workers=1, late_node=late_node)
    simulation = simulate(service.url(0), "--rate", "realtime", "--concurrent", "6000")
    time.sleep(3)
    latencies, until, number = [], time.time() + SECONDS, 0
    while time.time() < until:
        number += 1
        began = time.time()
        line = {"event": "view", "uuid": f"v{number}", "projectId": "bench", "durationMs": 1}
        token = post(service.url(1), json.dumps(line | {"deviceTimestamp": int(began * 1000)}))
        acknowledged = time.time()
        with urllib.request.urlopen(f"{service.url(2)}/v1/projects/bench?after={token}", timeout=30) as answer:
            if json.load(answer)["views"] != number:
                sys.exit("an acknowledged event is not visible")
        latencies.append((time.time() - began, acknowledged - began))
        time.sleep(max(0.0, 0.1 - (time.time() - began)))
    end(simulation)
    service.stop()
    parts = [sorted(values) for values in zip(*latencies)]
    quantile = lambda values, share: 1000 * values[min(len(values) - 1, int(share * len(values)))]
    cells = [quantile(values, share) for values in parts for share in (0.5, 0.99)]
    print(f"{name:<28}" + "".join(f"{cell:>10.1f}" for cell in cells) + f"{len(latencies):>8}", flush=True)


def measure_throughput(name, nodes, workers, has_certificates=False):
    service = Service(nodes, workers, has_certificates)
    share = str(6000 // nodes)
    simulations = [
        simulate(service.url(node), "--rate", "max", "--concurrent", share, "--batch", "500", "--seed", str(node))
        for node in range(nodes)
    ]
    time.sleep(3)
    accepted = lambda: sum(count(service, node) for node in range(nodes))
    before, began = accepted(), time.time()
    time.sleep(SECONDS)
    rate = (accepted() - before) / (time.time() - began)
    for simulation in simulations:
        end(simulation)
    service.stop()
    print(f"{name:<28}{rate:>12.0f}", flush=True)
    return rate


measure_kills("100,000 events", small_service(), [1, 2, 0] * 3)
measure_kills("that many records", large_service(), [1, 2, 0])
print("\nvisible: ms at 6,000 events/s, a view sent to node 1 and read at node 2")
print(f"{'':<28}{'p50':>10}{'p99':>10}{'ack p50':>10}{'ack p99':>10}{'views':>8}")
measure_visibility("equal clocks")
if faketime():
    measure_visibility("node 2 is 500 ms late", late_node=2)
print("\nthroughput: events/s")
one = measure_throughput("1 process, 2 workers", 1, 2)
plain = measure_throughput("2 nodes, 1 worker", 2, 1)
encrypted = measure_throughput("2 nodes, 1 worker, TLS", 2, 1, has_certificates=True)
print(f"2 nodes: {plain / one:.2f} of one process; with TLS: {encrypted / one:.2f}")
shutil.rmtree(SCRATCH)
