"""The fenced blocks of a page, and whether an output is the expected one."""

import re
from dataclasses import dataclass

RUNNABLE = ("sh", "js", "python")
MARK = re.compile(r"<!-- docs-test: (background|skip, (.+)) -->")


@dataclass
class Block:
    """A block that is run, or skipped."""

    language: str
    text: str
    line: int  # of its first command
    background: bool = False
    skip: str | None = None
    expected: "Block | None" = None

    @property
    def runs(self):
        return self.skip is None

    @property
    def needs_aws(self):
        return self.runs and bool(re.search(r"s3://|kinesis:|^aws ", self.text, re.MULTILINE))

    @property
    def starts_jobs(self):
        """Whether a part of it continues in the background."""
        return self.background or bool(re.search(r"[^&]&$", self.text, re.MULTILINE))

    @property
    def serves(self):
        """Whether it starts a service that the page waits for."""
        return bool(self.starts_jobs and re.search(r"(velodrome|--) (serve|demo)\b", self.text))


def blocks(text):
    """The runnable blocks of a page, in order, with their expected outputs."""
    found, fence, mark, previous = [], None, None, None
    for number, line in enumerate(text.split("\n"), 1):
        if fence is None and line.startswith("```"):
            fence = Block(line[3:].strip(), "", number + 1)
        elif fence is not None and line == "```":
            if fence.language in RUNNABLE:
                if mark:
                    fence.background, fence.skip = mark[1] == "background", mark[2]
                found.append(fence)
            elif previous and fence.language in ("text", "json"):
                previous.expected = fence
            previous = fence if fence.language in RUNNABLE else None
            fence, mark = None, None
        elif fence is not None:
            fence.text += line + "\n"
        elif line.strip():
            previous, mark = None, MARK.fullmatch(line.strip())
    return found


def broken_links(path):
    """The relative links of a page that lead to no file."""
    prose = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", prose)]
    return [link for link in links if ":" not in link and not (path.parent / link).exists()]


def pattern(block):
    """The regular expression of an expected output."""
    if block.language == "json":
        return ".*?".join(re.escape(part) for part in re.sub(r"\s", "", block.text).split("…"))
    lines = []
    for line in block.text.rstrip("\n").split("\n"):
        line = line.rstrip()
        lines.append(r"(?:.*\n)*?" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n")
    return "".join(lines)


def normal(block, output):
    """An output in the form in which `pattern` compares it."""
    if block.language == "json":
        return re.sub(r"\s", "", output)
    lines = "\n".join(line.rstrip() for line in output.split("\n")).rstrip("\n")
    return lines + "\n"


def matches(block, output, to_the_end=True):
    match = re.fullmatch if to_the_end else re.match
    return match(pattern(block), normal(block, output)) is not None
