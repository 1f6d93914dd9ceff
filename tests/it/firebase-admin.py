"""Reads a service with firebase-admin, Google's library for Firebase, as if it were the emulator of the Realtime
Database.

    firebase-admin.py URL read PATH...    prints the value at each path as a line of JSON
    firebase-admin.py URL listen PATH     after each event, prints the current value: {"event", "topic", "value"}
    firebase-admin.py URL write PATH      tries to write, and prints the error
"""

import json
import os
import sys

url, command, *paths = sys.argv[1:]
os.environ["FIREBASE_DATABASE_EMULATOR_HOST"] = url.removeprefix("http://")

import firebase_admin  # noqa: E402
from firebase_admin import db, exceptions  # noqa: E402

firebase_admin.initialize_app(options={"databaseURL": "https://velodrome.firebaseio.com"})
tree = {"value": None}


def put(path, data):
    """Replaces the data at a path, as the documentation of the database's streams says."""
    keys = ["value", *filter(None, path.split("/"))]
    node = tree
    for key in keys[:-1]:
        node[key] = node.get(key) or {}
        node = node[key]
    node[keys[-1]] = data


def apply(event):
    if event.event_type == "put":
        put(event.path, event.data)
    else:
        for key, child in event.data.items():
            put(f"{event.path}/{key}", child)
    print(json.dumps({"event": event.event_type, "topic": paths[0], **tree}), flush=True)


match command:
    case "read":
        for path in paths:
            value, etag = db.reference(path).get(etag=True)
            assert db.reference(path).get_if_changed(etag) == (False, None, None), path
            print(json.dumps(value, ensure_ascii=False))
    case "listen":
        db.reference(paths[0]).listen(apply)
    case "write":
        try:
            db.reference(paths[0]).set(1)
        except exceptions.FirebaseError as error:
            print(error)
