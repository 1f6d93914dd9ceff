"""Local servers that speak S3 and Kinesis: those that scripts/test installs for the integration tests."""

import subprocess
import threading

MOTO = "target/moto-5.2.5/bin/moto_server"
KINESALITE = "target/node/node_modules/kinesalite"


class Missing(Exception):
    """Something that the pages about AWS need."""


def check(repository, binary):
    """Raises Missing if a page about AWS cannot be run."""
    for path in (MOTO, KINESALITE):
        if not (repository / path).exists():
            raise Missing(f"no '{path}'; scripts/test installs it")
    # A build without AWS refuses the name before it looks for a server.
    probe = [binary, "replay", "kinesis:none", "--out", "/nonexistent", "--endpoint-url", "http://127.0.0.1:1"]
    refused = subprocess.run(probe, capture_output=True, text=True, env={}, timeout=60).stderr
    if "--features aws" in refused:
        raise Missing(f"'{binary}' was built without AWS; build it with default features")


class Servers:
    """An S3 and a Kinesis server, in memory, on free ports of loopback."""

    def __init__(self, repository):
        self.processes = []
        self.s3 = self.start([repository / MOTO, "-H", "127.0.0.1", "-p", "0"])
        script = repository / "tests" / "it" / "kinesalite.cjs"
        self.kinesis = self.start(["node", script, repository / KINESALITE], {"SHARD_LIMIT": "500"})

    def start(self, command, environment=None):
        """Starts a server. Returns the address that it prints."""
        settings = [f"{name}={value}" for name, value in (environment or {}).items()]
        process = subprocess.Popen(
            ["env", *settings, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.processes.append(process)
        for line in process.stdout:
            address = next((word for word in line.split() if word.startswith("http://127.")), None)
            if address:
                # A server whose pipe is full would block.
                threading.Thread(target=process.stdout.read, daemon=True).start()
                return address.rstrip("/")
        raise Missing(f"'{command[0]}' did not start")

    def ports(self):
        """The ports of such servers as pages name them."""
        return {"9000": self.s3.rpartition(":")[2], "4567": self.kinesis.rpartition(":")[2]}

    def environment(self):
        return {
            "AWS_ENDPOINT_URL_S3": self.s3,
            "AWS_ENDPOINT_URL_KINESIS": self.kinesis,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()
