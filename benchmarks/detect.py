"""What a hosted model costs per image: DetectCustomLabels over HTTP beside bare onnxruntime on the same bytes, one thread.

Bare: decode, prepare, backbone, head in a loop, in this process. HTTP: the service in its own process with one inference
unit, and a client that keeps one connection and signs each request before the clock starts. Blocks of either take turns,
so that both see the same machine. Then boto3 with all that it does, and the throughput of one and of two units.
"""

import argparse
import asyncio
import base64
import hashlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psutil
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from benchmarks import lab
from custom_labels.api import arns
from custom_labels.settings import Settings as Own
from strop import app
from strop.settings import Settings
from strop_contracts import events, tables
from strop_devstack import render
from strop_edge import model

TRAIN, VALID, ASKED = 12, 3, 40  # images of a label, and those that are asked about
ROUNDS, BLOCK = 10, 30
SECONDS = 10.0  # for which a throughput is measured
NAME = "bench"


def item(folder: Path, label: str, seed: int) -> dict[str, Any]:
    data = render.render(label, seed)
    sha256 = hashlib.sha256(data).hexdigest()
    (folder / sha256).write_bytes(data)
    part = "train" if seed < TRAIN else "valid"
    return {
        "sha256": sha256,
        "path": str(folder / sha256),
        "label": label,
        "part": part,
        "origin": "base",
        "group": sha256,
    }


def package(work: Path) -> Path:
    """Train a hosted model as the trainer does."""
    (work / "images").mkdir()
    images = [item(work / "images", label, seed) for label in render.LABELS for seed in range(TRAIN + VALID)]
    job = {
        "project": NAME, "version": "v1", "created_at": "2026-01-01T00:00:00+00:00", "dataset": "1", "champion": None,
        "cache": str(work / "cache"), "output": str(work / "package"), "images": images,
        "options": {"backbone": events.HOSTED_BACKBONE},
    }  # fmt: skip
    (work / "job.json").write_text(json.dumps(job))
    command = [sys.executable, "-m", "trainer.training", str(work / "job.json"), str(work / "result.json")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return work / "package"


async def register(folder: Path) -> str:
    """Put the model where the service finds it, as if it had been trained there; its ARN."""
    async with app.runtime(Settings()) as runtime, runtime.sessions.begin() as session:
        files = {}
        for path in folder.iterdir():
            body = path.read_bytes()
            key = f"{NAME}/models/v1/{path.name}"
            await runtime.storage.put(key, body)
            files[path.name] = {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "key": key}
        row = tables.ProjectVersion(project=NAME, name=NAME, status="TRAINING_COMPLETED", output={}, files=files)
        session.add(row)
        await session.flush()
        return arns.version(Own(), row)


class Raw:
    """One connection, and as little between it and the socket as can be."""

    def __init__(self, url: str, arn: str) -> None:
        self._url, self._arn = url, arn
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc)
        found = boto3.Session().get_credentials()
        assert found
        self._signer = SigV4Auth(found, "rekognition", "us-east-1")

    def open(self) -> None:
        """Connect anew: the server hangs up on who was silent for some seconds."""
        self._connection.close()
        self._connection.connect()

    def request(self, image: bytes) -> tuple[bytes, dict[str, str]]:
        """Body and signed headers."""
        said = {"ProjectVersionArn": self._arn, "Image": {"Bytes": base64.b64encode(image).decode()}}
        body = json.dumps(said).encode()
        headers = {
            "X-Amz-Target": "RekognitionService.DetectCustomLabels",
            "Content-Type": "application/x-amz-json-1.1",
        }
        request = AWSRequest("POST", url=f"{self._url}/", data=body, headers=headers)
        self._signer.add_auth(request)
        return body, dict(request.headers.items())

    def send(self, request: tuple[bytes, dict[str, str]]) -> list[Any]:
        self._connection.request("POST", "/", *request)
        answer = self._connection.getresponse()
        said = json.loads(answer.read())
        assert answer.status == http.client.OK, said
        labels: list[Any] = said["CustomLabels"]
        return labels


def times(function: Callable[[Any], object], given: Sequence[Any]) -> list[float]:
    """Milliseconds of each call."""
    taken = []
    for each in given:
        began = time.perf_counter()
        function(each)
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def latencies(raw: Raw, client: Any, arn: str, folder: Path, images: Sequence[bytes]) -> dict[str, float]:
    """Medians in milliseconds: bare, over HTTP, and with boto3."""
    loaded = model.Model(folder, threads=1)
    found: dict[str, list[float]] = {"bare": [], "http": [], "boto3": []}
    for number in range(ROUNDS):
        block = [images[(number * BLOCK + place) % len(images)] for place in range(BLOCK)]
        found["bare"] += times(lambda image: loaded.assess(loaded.prepare(image)[None]), block)
        requests = [raw.request(image) for image in block]
        raw.open()
        found["http"] += times(raw.send, requests)
        asked = times(
            lambda image: client.detect_custom_labels(ProjectVersionArn=arn, Image={"Bytes": image}), block[:10]
        )
        found["boto3"] += asked
    return {name: statistics.median(each) for name, each in found.items()}


def throughput(url: str, arn: str, images: Sequence[bytes], clients: int) -> float:
    """Images a second that so many clients get answered, each on a connection of its own."""
    counts = [0] * clients
    end = time.perf_counter() + SECONDS

    def ask(number: int) -> None:
        raw = Raw(url, arn)
        requests = [raw.request(image) for image in images]
        raw.open()
        while time.perf_counter() < end:
            raw.send(requests[counts[number] % len(requests)])
            counts[number] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


def start(client: Any, arn: str, units: int) -> float:
    """Start the model; seconds until it runs."""
    began = time.perf_counter()
    client.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=units)
    _await(client, "RUNNING")
    return time.perf_counter() - began


def stop(client: Any, arn: str) -> float:
    """Stop the model; seconds until it has."""
    began = time.perf_counter()
    client.stop_project_version(ProjectVersionArn=arn)
    _await(client, "STOPPED")
    return time.perf_counter() - began


def _await(client: Any, status: str) -> None:
    project = client.describe_projects(ProjectNames=[NAME])["ProjectDescriptions"][0]["ProjectArn"]
    while True:
        (found,) = client.describe_project_versions(ProjectArn=project)["ProjectVersionDescriptions"]
        if found["Status"] == status:
            return
        assert found["Status"] in {"STARTING", "STOPPING"}, found
        time.sleep(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=4, help="connections that ask for the throughput")
    options = parser.parse_args()
    images = [render.render(label, 1000 + seed) for label in render.LABELS for seed in range(ASKED // 5)]
    with lab.platform(0) as stack:
        folder = package(stack.state)
        arn = asyncio.run(register(folder))
        environment = {"STROP_CUSTOM_LABELS_CACHE": str(stack.state / "hosted")}
        with lab.service(stack, "custom_labels", **environment) as service:
            client = boto3.Session().client("rekognition", endpoint_url=service.url, region_name="us-east-1")
            print(f"{datetime.now(UTC):%F %R} UTC, load {os.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores")
            print(f"start, one unit, files not cached         {start(client, arn, 1):7.2f} s")
            report(Raw(service.url, arn), client, arn, folder, images)
            one = throughput(service.url, arn, images, options.clients)
            print(f"stop                                      {stop(client, arn):7.2f} s")
            print(f"start, two units, files cached            {start(client, arn, 2):7.2f} s")
            two = throughput(service.url, arn, images, options.clients)
            print(
                f"throughput of 1 and 2 units, {options.clients} clients  {one:.1f} and {two:.1f} /s  ratio {two / one:.2f}"
            )
            memory = {name: round(lab.memory(each)) for name, each in {"service and units": service.process}.items()}
            print(f"memory of the service with two units      {memory['service and units']:7d} MB")


def report(raw: Raw, client: Any, arn: str, folder: Path, images: Sequence[bytes]) -> None:
    found = latencies(raw, client, arn, folder, images)
    bare = found["bare"]
    print(f"bare onnxruntime, p50                     {bare:7.2f} ms  images of {len(images[0])} bytes")
    print(f"DetectCustomLabels, one unit, p50         {found['http']:7.2f} ms  ratio {found['http'] / bare:.2f}")
    print(f"the same with boto3, p50                  {found['boto3']:7.2f} ms  ratio {found['boto3'] / bare:.2f}")


if __name__ == "__main__":
    main()
