"""A simulated labeler: looks at each image and answers from the known truth, over the HTTP API that the page uses."""

import hashlib
import threading
from collections.abc import Mapping

import httpx


class Labeler:
    """Works in a thread of its own until it is stopped; `answered` counts."""

    def __init__(self, url: str, token: str, project: str, truth: Mapping[str, str]) -> None:
        self.answered = 0
        self.error: Exception | None = None
        self._project = project
        self._truth = truth
        self._stop = threading.Event()
        # The pages are on this machine: the environment's proxies and certificates do not apply.
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if not self._some():
                    self._stop.wait(0.3)
            except httpx.HTTPError as error:
                self.error = error
                self._stop.wait(1)

    def _some(self) -> int:
        next_tasks = self._http.post(f"/api/projects/{self._project}/tasks/next", params={"count": 5})
        tasks = next_tasks.raise_for_status().json()
        for task in tasks:
            image = self._http.get(task["image"]).raise_for_status().content
            label = self._truth.get(hashlib.sha256(image).hexdigest())
            answer = {"answer": "label", "label": label} if label else {"answer": "unclear"}
            self._http.post(f"/api/tasks/{task['id']}/answer", json=answer).raise_for_status()
            self.answered += 1
        return len(tasks)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._http.close()
