"""Calls every GET of the description in openapi.json with the Python client that was generated from it.

    call_all.py URL TOKEN

Parameters that are required have the examples of the description, all others the defaults of the client.
"""

import importlib
import inspect
import json
import re
import sys

sys.path.insert(0, ".")
from python_client.client import AuthenticatedClient  # noqa: E402

# Its answer does not end.
ENDLESS = "/v1/stream"
# The race of the examples is finished, and the next one runs.
RUNNING = {"/v1/races/{classId}/{raceId}/rides/{racerId}": {"raceId": 5400801}}
# A service that runs alone has no cluster.
STATUSES = {"/v1/cluster": 404}


def snake_case(name):
    return re.sub(r"(?<=[a-z])(?=[A-Z])|-", "_", name).lower()


def main(url, token):
    with open("openapi.json") as file:
        paths = json.load(file)["paths"]
    client = AuthenticatedClient(base_url=url, token=token, timeout=30)
    called = 0
    for path, operations in paths.items():
        operation = operations.get("get")
        if operation is None or path == ENDLESS:
            continue
        module = f"python_client.api.{operation['tags'][0]}.{operation['operationId']}"
        call = importlib.import_module(module).sync_detailed
        required = [parameter for parameter in operation.get("parameters", []) if parameter.get("required")]
        # A name that Python uses itself gets an underscore, such as `object`.
        names = {name.rstrip("_"): name for name in inspect.signature(call).parameters}
        arguments = {names[snake_case(parameter["name"])]: parameter["example"] for parameter in required}
        arguments |= {names[snake_case(name)]: value for name, value in RUNNING.get(path, {}).items()}
        response = call(**arguments, client=client)
        assert response.status_code == STATUSES.get(path, 200), f"{path}: {response.status_code} {response.content}"
        # The generator knows no models of texts and gzip.
        has_model = inspect.signature(call).return_annotation != "Response[Any]"
        is_json = response.headers["content-type"].startswith("application/json")
        assert not (has_model and is_json) or response.parsed is not None, f"{path}: {response.content}"
        called += 1
    print(f"the Python client called {called} operations")


main(*sys.argv[1:])
