"""Reads inputs: files, directories, gzip, byte order marks, NUL bytes, JSON arrays, joined objects.

`units` yields one tuple (file, line, bytes) for each object, and for each piece of text that is none.
"""

import gzip
import json
import os
from pathlib import Path

BOM = b"\xef\xbb\xbf"
SPACE = b" \t\r\n"
MOST_BYTES = 1 << 20  # of a line, or of an object if a line has several


def files(path):
    """The files of an input, in the order of their keys."""
    if not os.path.isdir(path):
        return [path]
    found = []
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if name != "processing-failed"]
        found += [os.path.join(folder, name) for name in names]
    return sorted(found, key=lambda name: os.fsencode(os.path.relpath(name, path)))


def units(path):
    for file in files(path):
        data = Path(file).read_bytes()
        while data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
        for line, text in numbered(data):
            for unit in split(text):
                yield file, line, unit


def numbered(data):
    """The lines of a file, or the elements of a JSON array as lines, numbered from 1."""
    while data.startswith(BOM):
        data = data[len(BOM) :]
    rest = data.lstrip(SPACE)
    if rest.startswith(b"["):
        blank_lines = data[: len(data) - len(rest)].count(b"\n")
        yield from enumerate(elements(rest[1:]), start=1 + blank_lines)
    else:
        yield from enumerate(data.split(b"\n"), start=1)


def elements(data):
    """The elements of an array's text after its opening bracket, and the lines after the array."""
    start = depth = at = 0
    while at < len(data):
        byte = data[at : at + 1]
        if byte == b'"':
            at = string_end(data, at)
            continue
        if depth == 0 and byte in (b",", b"]"):
            yield data[start:at]
            start = at + 1
            if byte == b"]":
                yield from data[start:].split(b"\n")
                return
        elif byte in (b"{", b"["):
            depth += 1
        elif byte in (b"}", b"]"):
            depth -= 1
        at += 1
    yield data[start:]


def string_end(data, at):
    """The position after the string that begins at `at`; the end of the data if it is not closed."""
    at += 1
    while at < len(data) and data[at] != 0x22:
        at += 2 if data[at] == 0x5C else 1
    return at + 1


def split(text):
    """Cuts a line into objects and pieces of other text, without what is ignored between them."""
    at = skip(text, 0)
    while at < len(text):
        if text[at : at + 1] == b"{":
            end = object_end(text, at)
        else:
            end = other_end(text, at)
        yield trimmed(text[at:end])
        at = skip(text, end)


def skip(text, at):
    """The position of the first byte that is neither white space, NUL nor part of a byte order mark."""
    while at < len(text):
        if text[at] in SPACE or text[at] == 0:
            at += 1
        elif text.startswith(BOM, at):
            at += len(BOM)
        else:
            break
    return at


def trimmed(text):
    while text and (text[-1] in SPACE or text[-1] == 0 or text.endswith(BOM)):
        text = text[: -len(BOM)] if text.endswith(BOM) else text[:-1]
    return text


def object_end(text, at):
    """The end of the object that begins at `at`. A torn object ends where the next event begins."""
    end = brace_end(text, at)
    if end is not None and not torn_string(text, at, end):
        return end
    return next_event(text, at + 1)


def other_end(text, at):
    if text[at : at + 1] == b"[":
        return len(text)
    return next_event(text, at)


def brace_end(text, at):
    """The position after the closing brace, or None."""
    depth = 0
    while at < len(text):
        if text[at] == 0x22:
            at = string_end(text, at)
            continue
        depth += (text[at] == 0x7B) - (text[at] == 0x7D)
        at += 1
        if depth == 0:
            return at
    return None


def torn_string(text, at, end):
    """Whether a string of the object contains the beginning of an event, because its end is missing."""
    try:
        json.loads(text[at:end].decode("utf-8", "replace"), strict=False)
        return False
    except (ValueError, RecursionError):
        return in_string(text, at, next_event(text, at + 1), end)


def in_string(text, at, event, end):
    """Whether an event before `end` begins inside a string of the object at `at`."""
    while at < event < end:
        if text[at] == 0x22:
            at = string_end(text, at)
        else:
            at += 1
    return event < end and at != event


def next_event(text, at):
    """The position of the next complete object with a field `event`, or the end of the text."""
    while (at := text.find(b"{", at)) >= 0:
        end = brace_end(text, at)
        if end is None:
            at += 1
            continue
        try:
            value = json.loads(text[at:end])
        except (ValueError, RecursionError):
            at += 1
            continue
        if "event" in value:
            return at
        at = end
    return len(text)
