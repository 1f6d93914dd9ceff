"""One page's bash session: its directory, ports and processes."""

import difflib
import http.client
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

from . import page

# Time limit in seconds for a block, for its service to become ready, and for the output of a background
# command to arrive.
BLOCK_TIMEOUT = 60
OUTPUT_TIMEOUT = 20
# Ports that pages name. Each session replaces them with free ones.
PORTS = ("7070", "7071", "7170", "2101", "2102")
# Runs a block in the session's own shell, and reports the status of the last command that failed, or 0.
STEP = "failed=0; trap 'failed=$?' ERR; source {block} >{output} 2>&1 </dev/null; trap - ERR; echo $failed >&{report}\n"
RUN_FILE = {"js": "node", "python": "python3"}


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Session:
    """A bash process in an empty directory. Leaving it ends all processes that the page started."""

    def __init__(self, repository, binary, scratch, name, servers):
        self.name, self.scratch = name, scratch
        stem = name.replace("/", "-").removesuffix(".md")
        self.files = scratch / f"{stem}.blocks"
        self.ports = dict(zip(PORTS, free_ports(len(PORTS))))
        if servers:
            self.ports |= servers.ports()
        directory, programs = scratch / stem, self.files / "bin"
        directory.mkdir()
        programs.mkdir(parents=True)
        (programs / "velodrome").symlink_to(binary)
        (self.files / ".curlrc").write_text("silent\nshow-error\n")
        foreign = ("VELODROME_", "AWS_")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        environment |= servers.environment() if servers else {}
        port = self.ports["7070"]
        environment |= {
            "PATH": f"{programs}:{repository / 'scripts' / 'docs_test' / 'bin'}:{environment['PATH']}",
            "LC_ALL": "C.UTF-8",
            "CURL_HOME": str(self.files),
            "VELODROME_LISTEN": f"127.0.0.1:{port}",
            "VELODROME_PORT": port,
            "VELODROME_CLUSTER_PORT": self.ports["7170"],
            "DOCS_TEST_REPOSITORY": str(repository),
            "DOCS_TEST_CHECKOUT": str(directory) if name == "README.md" else "",
        }
        read, write = os.pipe()
        # Bash reads commands from its standard input, and reports on this pipe that a block has ended.
        self.report = write
        self.bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-s"],
            cwd=directory, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, pass_fds=[write], start_new_session=True,
        )  # fmt: skip
        os.close(write)
        self.ended = read

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.bash.pid, end)
                time.sleep(0.2)
            except ProcessLookupError:
                break
        self.bash.stdin.close()
        self.bash.wait()
        os.close(self.ended)

    def run(self, blocks):
        """Runs blocks until one fails. Returns the report of the failure, or nothing."""
        outputs = []
        for number, block in enumerate(blocks):
            output = self.files / f"{number}.out"
            failure = self.step(block, output)
            if failure:
                report = [f"  {self.name}:{block.line}: {failure}", *indent(block.text), *self.difference(block, output)]
                for earlier in outputs:
                    report += ["  in the background:", *indent(earlier.read_text(errors="replace"), last=5)]
                return report
            outputs += [output] if block.starts_jobs else []
        return []

    def step(self, block, output):
        """Runs a block. Returns what is wrong with it, or None."""
        script = self.script(block, output)
        self.bash.stdin.write(STEP.format(block=script, output=output, report=self.report).encode())
        self.bash.stdin.flush()
        ready, _, _ = select.select([self.ended], [], [], BLOCK_TIMEOUT)
        if not ready:
            return f"still runs after {BLOCK_TIMEOUT} s"
        status = os.read(self.ended, 64).decode().strip()
        if status == "":
            return "ended the session"
        if status != "0" and "$?" not in block.text:
            return f"a command failed with status {status}"
        deadline = time.monotonic() + OUTPUT_TIMEOUT
        while block.starts_jobs and not self.is_expected(block, output) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not self.is_expected(block, output):
            return "another output"
        return self.wait_until_ready() if block.serves else None

    def script(self, block, output):
        """Writes a block to a file that bash can source."""
        text = self.with_ports(block.text)
        if block.language in RUN_FILE:
            source = self.scratch / f"{self.files.stem}-{output.stem}.{'mjs' if block.language == 'js' else 'py'}"
            source.write_text(text)
            text = f"{RUN_FILE[block.language]} {source}\n"
        script = output.with_suffix(".sh")
        script.write_text(f"{{\n{text}}} &\n" if block.background else text)
        return script

    def with_ports(self, text):
        return re.sub(r"(?<![\d.])\d{4}(?!\d)", lambda found: self.ports.get(found[0], found[0]), text)

    def with_documented_ports(self, text):
        for documented, port in self.ports.items():
            text = re.sub(rf"(?<=:){port}(?!\d)", documented, text)
        return text

    def is_expected(self, block, output):
        if block.expected is None:
            return True
        text = self.with_documented_ports(output.read_text(errors="replace"))
        return page.matches(block.expected, text, to_the_end=not block.starts_jobs)

    def wait_until_ready(self):
        """Waits for the service on the session's main port. Returns what is wrong with it, or None."""
        tls = ssl._create_unverified_context()
        deadline, reason = time.monotonic() + BLOCK_TIMEOUT, ""
        while time.monotonic() < deadline:
            for scheme in ("http", "https"):
                try:
                    url = f"{scheme}://127.0.0.1:{self.ports['7070']}/readyz"
                    urllib.request.urlopen(url, timeout=5, context=tls if scheme == "https" else None).close()
                    return None
                except urllib.error.HTTPError as error:
                    reason = error.read().decode(errors="replace")
                except (OSError, http.client.HTTPException) as error:
                    reason = reason or str(error)
            time.sleep(0.05)
        return f"no service is ready: {reason}"

    def difference(self, block, output):
        text = self.with_documented_ports(output.read_text(errors="replace")) if output.exists() else ""
        if block.expected is None:
            return ["  its output:", *indent(text, last=20)]
        expected = block.expected.text.splitlines()
        return indent("\n".join(difflib.unified_diff(expected, text.splitlines(), "shown", "printed", lineterm="")))


def indent(text, last=80):
    return [f"    {line[:400]}" for line in text.splitlines()[-last:]]
